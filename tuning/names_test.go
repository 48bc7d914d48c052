package tuning

import (
	"compress/gzip"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// manualRequired names the variable that is set where FreeBSD's manual pages were installed: then a test without them fails.
const manualRequired = "TRUNKLINE_FREEBSD_MANUAL_REQUIRED"

// manual is FreeBSD's manual: Debian's package freebsd-manpages (sections 2, 4 and 9) or the system's own.
type manual struct {
	suffix string
	pages  map[string]string // what was read
}

func openManual(t *testing.T) *manual {
	t.Helper()
	m := &manual{pages: map[string]string{}}
	for _, suffix := range []string{"freebsd.gz", ".gz"} {
		if _, err := os.Stat("/usr/share/man/man4/syncache.4" + suffix); err == nil {
			m.suffix = suffix
			return m
		}
	}
	const none = "FreeBSD's manual pages are not installed (Debian: freebsd-manpages)"
	if os.Getenv(manualRequired) != "" {
		t.Fatalf("%s, and %s is set", none, manualRequired)
	}
	t.Skip(none)
	return nil
}

// page is the source of a page such as "tcp(4)"; "" for sections that the package does not have.
func (m *manual) page(t *testing.T, name string) string {
	t.Helper()
	if text, ok := m.pages[name]; ok {
		return text
	}
	title, section, ok := strings.Cut(strings.TrimSuffix(name, ")"), "(")
	if !ok {
		t.Fatalf("%q is not a manual page", name)
	}
	file, err := os.Open(filepath.Join("/usr/share/man/man"+section, title+"."+section+m.suffix))
	if errors.Is(err, os.ErrNotExist) {
		if strings.Contains("2 4 9", section) {
			t.Errorf("there is no page %s", name)
		}
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	m.pages[name] = string(text)
	return m.pages[name]
}

// has says whether a page names a limit: in full, or in tcp(4), which lists what is below net.inet.tcp, by the end of its name.
func (m *manual) has(t *testing.T, page, name string) bool {
	t.Helper()
	text := m.page(t, page)
	if containsWord(text, name) {
		return true
	}
	last, below := strings.CutPrefix(name, "net.inet.tcp.")
	return below && page == "tcp(4)" && regexp.MustCompile(`(?m)^\.It (Va|Dv) (net\.inet\.tcp\.)?`+regexp.QuoteMeta(last)+`\b`).MatchString(text)
}

// containsWord does not take kern.maxfilesperproc for kern.maxfiles.
func containsWord(text, word string) bool {
	return regexp.MustCompile(regexp.QuoteMeta(word) + `([^a-z0-9_.]|\.?$|\.[^a-z])`).MatchString(text)
}

// exceptions are the names of testdata/freebsd-sources.txt and their sources.
func exceptions(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "freebsd-sources.txt"))
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		if len(fields) != 2 || !strings.HasPrefix(fields[1], "sys/") || list[fields[0]] != "" {
			t.Errorf("bad line %q", line)
		}
		list[fields[0]] = fields[1]
	}
	return list
}

func TestEachLimitOfFreeBSDIsInItsManual(t *testing.T) {
	m := openManual(t)
	sources := exceptions(t)
	for _, l := range Limits(FreeBSD) {
		if l.Kind == LoginClass {
			continue // login.conf(5) is not in the package
		}
		name := l.Name
		documented := m.has(t, l.Manual, name)
		switch {
		case documented && sources[name] != "":
			t.Errorf("%s is in %s: it needs no exception", name, l.Manual)
		case !documented && sources[name] == "":
			t.Errorf("%s is neither in %s nor in testdata/freebsd-sources.txt", name, l.Manual)
		}
	}
}

// readPages are the manual pages of the sysctls that are only read.
var readPages = map[string]string{oidSyncache: "syncache(4)"}

func TestEachSysctlThatIsReadIsInTheManualOrTheSources(t *testing.T) {
	m := openManual(t)
	sources := exceptions(t)
	for _, name := range sysctlsInCode(t) {
		limit := false
		for _, l := range Limits(FreeBSD) {
			limit = limit || l.Name == name
		}
		page := readPages[name]
		if !limit && sources[name] == "" && (page == "" || !m.has(t, page, name)) {
			t.Errorf("%s is in no manual page and not in testdata/freebsd-sources.txt", name)
		}
	}
}

func TestEachExceptionIsUsed(t *testing.T) {
	used := map[string]bool{}
	for _, name := range sysctlsInCode(t) {
		used[name] = true
	}
	for name := range exceptions(t) {
		if !used[name] {
			t.Errorf("nothing reads or sets %s", name)
		}
	}
}

// sysctlsInCode finds every string of the form of a FreeBSD sysctl in the code of this package that runs on FreeBSD.
func sysctlsInCode(t *testing.T) []string {
	t.Helper()
	form := regexp.MustCompile(`^(kern|vm|net|hw|machdep|security|debug|user)\.[a-z0-9_.]+[a-z0-9_]$`)
	ofLinux := regexp.MustCompile(`^net\.(ipv4|core|netfilter)\.`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, path := range files {
		linux := strings.Contains(path, "linux") || strings.HasPrefix(path, "procfs") || strings.Contains(path, "darwin")
		if linux || strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil && form.MatchString(text) && !ofLinux.MatchString(text) {
					list = append(list, text)
				}
			}
			return true
		})
	}
	if len(list) < 40 {
		t.Fatalf("found %d sysctls: the pattern is broken", len(list))
	}
	return list
}

func TestEachSysctlOfLinuxIsThere(t *testing.T) {
	if _, err := os.Stat("/proc/sys/net/ipv4/tcp_mem"); err != nil {
		t.Skip("this is not Linux, or not its first network namespace")
	}
	machine := mustMachine(t, liveSystem(t))
	for _, l := range Limits(Linux) {
		if (l.Kind == Sysctl || l.Kind == Loader) && !l.Optional && l.Exists(machine.Release) {
			if _, err := os.Stat("/" + procPath(l.Name)); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestRowsOfTheTablesAreComplete(t *testing.T) {
	for _, os := range []OS{FreeBSD, Linux} {
		seen := map[string]bool{}
		for _, l := range Limits(os) {
			if l.Name == "" || l.OS != os || l.Kind == 0 || l.Kind == Hardware || l.Need == nil || l.Rules[0] == 0 || seen[l.Name] {
				t.Errorf("%+v", l)
			}
			seen[l.Name] = true
			if (l.Unit == "") != (l.Name == "kern.timecounter.hardware") {
				t.Errorf("%s: unit %q", l.Name, l.Unit)
			}
			for _, sentence := range []string{l.Reason, l.TooSmall, l.Manual, l.Default} {
				if sentence == "" {
					t.Errorf("%s has an empty field", l.Name)
				}
			}
			for _, sentence := range []string{l.Reason, l.TooSmall} {
				if !strings.HasSuffix(sentence, ".") || strings.Contains(sentence, "|") || strings.Contains(sentence, "\n") {
					t.Errorf("%s: %q", l.Name, sentence)
				}
			}
		}
	}
	if Limits(0) != nil {
		t.Error("limits of no system")
	}
}

func TestATableIsTheCallers(t *testing.T) {
	Limits(FreeBSD)[0].Name = "changed"
	if Limits(FreeBSD)[0].Name != "kern.maxfiles" {
		t.Error("the table can be changed")
	}
}
