package house

import (
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// edges is the whole import graph of the project outside tests: package -> packages of ours it may import.
// The bottom packages import nothing but internal/slab.
var edges = map[string][]string{
	"cmd/trunkline": {"server", "client", "tuning", "bench", "codec", "codec/iq", "codec/secure", "store"},                        // codec: the names of codes; secure: the text of keys and tokens; store: what the tools of a data directory report
	"server":        {"shard", "store", "store/mysql", "codec", "codec/iq", "codec/secure", "netpoll", "tuning", "internal/slab"}, // slab: the links of connections
	"shard":         {"store", "codec", "codec/iq", "internal/slab"},
	"store":         {"internal/slab"},
	"netpoll":       {"internal/slab"},
	"codec":         {},
	"codec/iq":      {"codec"},
	"codec/secure":  {},
	"store/mysql":   {"store"},
	"tuning":        {},
	"client":        {"codec", "codec/iq", "codec/secure"},
	"bench":         {"client", "codec", "codec/iq", "codec/secure", "netpoll", "tuning"},
	"internal/slab": {},
	"freebsd/pkg":   {}, // makes the FreeBSD package, beside the server
	// Imported by tests only (checked below); what they import themselves is free but for what must stay above them.
	"internal/testkit":   {"shard", "store", "codec", "codec/iq", "netpoll", "internal/slab"},
	"internal/wirecases": {"codec"},
	"internal/model":     {},
	"internal/mariadb":   {},
	"internal/faultfs":   {},
	"internal/house":     {},
}

// testOnly packages must not be imported by anything that ships.
var testOnly = []string{"internal/testkit", "internal/wirecases", "internal/model", "internal/house", "internal/faultfs", "internal/mariadb"}

// fences says which packages may import a foreign module (prefix) outside tests.
var fences = map[string][]string{
	"github.com/panjf2000/gnet/v2":        {"netpoll"},
	"golang.org/x/sys":                    {"netpoll", "tuning", "bench"}, // bench: the bare echo it compares with
	"github.com/tidwall/btree":            {"store"},
	"github.com/cespare/xxhash/v2":        {"shard", "server"},           // server: the seeded table of addresses
	"github.com/cockroachdb/pebble/v2":    {"store", "internal/faultfs"}, // faultfs: the interface of a disk, vfs
	"github.com/flynn/noise":              {"codec/secure", "bench"},     // bench: a coordinator and its agents
	"golang.org/x/crypto":                 {"codec/secure"},
	"github.com/pires/go-proxyproto":      {"server"},
	"gonum.org/v1/plot":                   {"bench"},
	"github.com/prometheus/client_golang": {"server"},
	"github.com/pelletier/go-toml/v2":     {"server"},
	"github.com/HdrHistogram":             {"bench"},
	"go.etcd.io/bbolt":                    {"client"},
	"github.com/klauspost/compress":       {"freebsd/pkg"},
	"golang.org/x/term":                   {"cmd/trunkline"},
	"github.com/go-sql-driver/mysql":      {"store/mysql", "internal/mariadb"}, // mariadb: to see that the server of a test is up
}

// barred says which standard packages a pure package must not import.
var barred = map[string][]string{
	"shard":        {"net", "os", "time", "sync", "math/rand", "math/rand/v2", "net/http", "syscall"},
	"codec":        {"net", "os", "time", "math/rand", "math/rand/v2", "net/http", "syscall"},
	"codec/iq":     {"net", "os", "time", "math/rand", "math/rand/v2", "net/http", "syscall"},
	"codec/secure": {"net", "os", "time", "math/rand", "math/rand/v2", "net/http", "syscall"},
}

func TestImportsFollowTheTable(t *testing.T) {
	for _, file := range goFiles(t) {
		if file.test || file.foreignModule {
			continue
		}
		allowed, known := edges[file.pkg]
		if !known && !strings.HasPrefix(file.pkg, "examples") {
			t.Errorf("%s: package %q is not in the table of imports", file.path, file.pkg)
			continue
		}
		for _, imp := range imports(t, file) {
			checkImport(t, file, imp, allowed)
		}
	}
}

func checkImport(t *testing.T, file goFile, imp string, allowed []string) {
	t.Helper()
	if ours, ok := strings.CutPrefix(imp, "trunkline/"); ok {
		if contains(testOnly, ours) && !contains(testOnly, file.pkg) {
			t.Errorf("%s imports %s, which is for tests only", file.path, ours)
		}
		if !contains(allowed, ours) {
			t.Errorf("%s imports %s: not in the table for %s", file.path, ours, file.pkg)
		}
		return
	}
	if contains(barred[file.pkg], imp) {
		t.Errorf("%s imports %q: %s must stay pure", file.path, imp, file.pkg)
	}
	if !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
		return // standard library
	}
	for prefix, homes := range fences {
		if strings.HasPrefix(imp, prefix) {
			if !contains(homes, file.pkg) {
				t.Errorf("%s imports %s: only %v may", file.path, imp, homes)
			}
			return
		}
	}
	t.Errorf("%s imports %s: a foreign module without a fence", file.path, imp)
}

func imports(t *testing.T, file goFile) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file.abs, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatalf("%s: %v", file.path, err)
	}
	var list []string
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatalf("%s: %v", file.path, err)
		}
		list = append(list, p)
	}
	return list
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
