package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

const (
	fileLinesMax     = 600 // a file is one noun; above this it holds two
	functionLinesMax = 70  // split so that one function decides and the others compute
	packageDocLines  = 4   // what it owns, what it refuses, its types
)

func TestFilesAndFunctionsStayShort(t *testing.T) {
	for _, file := range goFiles(t) {
		if file.generated {
			continue
		}
		if n := strings.Count(file.text, "\n"); n > fileLinesMax && !file.test {
			t.Errorf("%s has %d lines, at most %d", file.path, n, fileLinesMax)
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file.abs, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", file.path, err)
			continue
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || file.test {
				continue
			}
			if n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1; n > functionLinesMax {
				t.Errorf("%s: %s has %d lines, at most %d", file.path, fn.Name.Name, n, functionLinesMax)
			}
		}
	}
}

func TestPackagesAndExportedNamesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, file := range goFiles(t) {
		if file.test {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file.abs, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", file.path, err)
			continue
		}
		if _, seen := documented[file.pkg]; !seen {
			documented[file.pkg] = false
		}
		if f.Doc != nil && strings.Count(f.Doc.Text(), "\n") >= packageDocLines {
			documented[file.pkg] = true
		}
		for _, decl := range f.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: exported %s has no comment", file.path, name)
			}
		}
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment of at least %d lines", pkg, packageDocLines)
		}
	}
}

// undocumented names the exported things that decl declares without a comment on them or on their group.
func undocumented(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && s.Doc == nil && d.Doc == nil {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

// exportedReceiver is true for functions and for methods of exported types.
func exportedReceiver(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return true
	}
	typ := fn.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}
