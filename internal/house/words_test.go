package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unfinished finds words of code that isn't done. They are put together here so that this file does not find itself.
var unfinished = regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "XX" + "X"}, "|") + `)\b`)

func TestNothingIsLeftUnfinished(t *testing.T) {
	for _, file := range goFiles(t) {
		for i, line := range strings.Split(file.text, "\n") {
			if unfinished.MatchString(line) {
				t.Errorf("%s:%d: %s", file.path, i+1, strings.TrimSpace(line))
			}
			if file.test && strings.Contains(line, "time."+"Sleep(") {
				t.Errorf("%s:%d: a test waits for a condition, it does not sleep", file.path, i+1)
			}
		}
	}
}

func TestGoStatementsInTheServerSayWhoEndsThem(t *testing.T) {
	goStmt := regexp.MustCompile(`^\s*go (func\(|\w)`)
	for _, file := range goFiles(t) {
		if file.test || file.foreignModule || strings.HasPrefix(file.pkg, "examples") {
			continue
		}
		lines := strings.Split(file.text, "\n")
		for i, line := range lines {
			if !goStmt.MatchString(line) {
				continue
			}
			beside := strings.Contains(line, "//") || i > 0 && strings.HasPrefix(strings.TrimSpace(lines[i-1]), "//")
			if !beside {
				t.Errorf("%s:%d: say beside the go statement who ends it", file.path, i+1)
			}
		}
	}
}

func TestDependenciesArePinnedAndExplained(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join(root(t), "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	direct := regexp.MustCompile(`(?m)^\t?(?:require )?(\S+\.\S+/\S+) (v\S+)( // indirect)?$`).FindAllStringSubmatch(string(mod), -1)
	if len(direct) < 5 {
		t.Fatalf("found %d requirements in go.mod: the pattern is broken", len(direct))
	}
	for _, m := range direct {
		if m[3] != "" {
			continue
		}
		if !strings.Contains(string(doc), "`"+m[1]+"` "+m[2]) {
			t.Errorf("docs/dependencies.md does not name `%s` %s", m[1], m[2])
		}
	}
}
