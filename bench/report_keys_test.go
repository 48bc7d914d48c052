package bench

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// keysOfType are the paths of the keys that a type's JSON may have. A type within itself (a comparison with one of its own kind) is not entered.
func keysOfType(prefix string, t reflect.Type, into map[string]bool, above ...reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || slices.Contains(above, t) {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		into[join(prefix, name)] = true
		keysOfType(join(prefix, name), f.Type, into, append(slices.Clone(above), t)...)
	}
}

// TestKeysOfResultsAreOnlyAdded holds the document that scripts read: testdata/keys.txt has the keys that there have been. A key that is gone
// fails. TRUNKLINE_KEYS=write adds new ones; a new one of what all kinds have must be noted so, one of a kind's section may wait.
func TestKeysOfResultsAreOnlyAdded(t *testing.T) {
	const path = "testdata/keys.txt"
	now := map[string]bool{}
	keysOfType("", reflect.TypeFor[Report](), now)
	b, err := os.ReadFile(path)
	if err != nil && os.Getenv("TRUNKLINE_KEYS") == "" {
		t.Fatal(err)
	}
	were := strings.Fields(string(b))
	for _, key := range were {
		if !now[key] {
			t.Errorf("the key %s is gone: scripts read it", key)
		}
	}
	var added []string
	for key := range now {
		if !slices.Contains(were, key) {
			added = append(added, key)
		}
	}
	slices.Sort(added)
	if len(added) > 0 && os.Getenv("TRUNKLINE_KEYS") != "" {
		all := append(were, added...)
		slices.Sort(all)
		if err := os.WriteFile(path, []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, key := range added {
		if slices.Contains([]string{"machine", "series", "latency_ms", "latency_histogram"}, root(key)) {
			t.Errorf("the key %s is new: TRUNKLINE_KEYS=write go test ./bench -run KeysOfResults notes it", key)
		}
	}
}

// TestEveryRunHasTheCommonKeys: they are there, null where nothing was measured, and the README says when that is.
func TestEveryRunHasTheCommonKeys(t *testing.T) {
	doc, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Report{newReport("echo", nil), sampledReport()} {
		tree, err := r.tree()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range append([]string{"format", "bench", "aborted", "machine", "inputs"}, commonKeys...) {
			if _, ok := tree[key]; !ok {
				t.Errorf("%s has no key %q", r.Bench, key)
			}
			if !strings.Contains(string(doc), "`"+key+"`") {
				t.Errorf("bench/README.md does not describe the key `%s`", key)
			}
		}
	}
	now := map[string]bool{}
	keysOfType("", reflect.TypeFor[Series](), now)
	for key := range now {
		last := key[strings.LastIndexByte(key, '.')+1:]
		if strings.HasSuffix(key, ".p99.9_ms") {
			last = "p99.9_ms"
		}
		if !strings.Contains(string(doc), "`"+last+"`") {
			t.Errorf("bench/README.md does not describe the key `%s` of a series", key)
		}
	}
}
