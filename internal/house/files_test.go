package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type goFile struct {
	path, abs     string // relative to the root; absolute
	pkg           string // folder relative to the root
	test          bool
	generated     bool
	foreignModule bool // belongs to a module of its own below this one
	text          string
}

// root is the folder that holds go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("no go.mod above the test: %v", err)
	}
	return dir
}

// goFiles lists every Go file of the repository. It fails when there are suspiciously few: an empty list checks nothing.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	top := root(t)
	var list []goFile
	modules := []string{}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(top, path)
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "testdata" || rel == "bin" || rel == "out" {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && rel != "." {
				modules = append(modules, filepath.ToSlash(rel))
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		list = append(list, goFile{
			path: rel, abs: path, pkg: filepath.ToSlash(filepath.Dir(rel)), test: strings.HasSuffix(rel, "_test.go"),
			generated: strings.Contains(string(text[:min(len(text), 400)]), "Code generated"), text: string(text),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 20 {
		t.Fatalf("found %d Go files: the walk is broken", len(list))
	}
	for i := range list {
		for _, m := range modules {
			if strings.HasPrefix(list[i].path, m+"/") {
				list[i].foreignModule = true
			}
		}
	}
	return list
}
