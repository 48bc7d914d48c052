package secure

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"strconv"
	"strings"
	"testing"
)

// documentRows are the cells of the table below a header line of the document.
func documentRows(t *testing.T, header string) [][]string {
	t.Helper()
	document, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(document), "\n"+header+"\n")
	if !ok {
		t.Fatalf("the document has no table %q", header)
	}
	var rows [][]string
	for _, line := range strings.Split(table, "\n")[1:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

func TestTheLimitsOfTheDocumentAreThoseOfTheSource(t *testing.T) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range []string{"limits.go", "flight.go"} { // the sizes of flights are part of the limits
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	info := types.Info{Defs: map[*ast.Ident]types.Object{}}
	cfg := types.Config{Error: func(error) {}} // the functions refer to other files
	_, _ = cfg.Check("secure", fset, files, &info)
	want := map[string]constant.Value{}
	for ident, obj := range info.Defs {
		if c, ok := obj.(*types.Const); ok && c.Exported() && strings.HasSuffix(fset.Position(ident.Pos()).Filename, "limits.go") {
			want[c.Name()] = c.Val()
		}
	}
	for _, row := range documentRows(t, "| Limit | Value | Unit | Above it |") {
		if v, ok := want[row[0]]; !ok || v.ExactString() != row[1] {
			t.Errorf("the document says %s is %s, the source %v", row[0], row[1], v)
		}
		delete(want, row[0])
	}
	for name := range want {
		t.Errorf("the document does not name %s", name)
	}
}

func TestTheFlightsOfTheDocumentAreThoseOfTheSource(t *testing.T) {
	want := map[FlightKind]string{}
	for kind := range FlightKind(255) {
		lengthMin, lengthMax := clientLengths(kind)
		switch {
		case lengthMax != 0 && lengthMin == lengthMax:
			want[kind] = strconv.Itoa(lengthMax)
		case lengthMax != 0:
			want[kind] = strconv.Itoa(lengthMin) + " to " + strconv.Itoa(lengthMax)
		case serverLength(kind) != 0:
			want[kind] = strconv.Itoa(serverLength(kind))
		}
	}
	for _, row := range documentRows(t, "| Kind | Name | Sent by | Body | Bytes |") {
		n, err := strconv.ParseUint(row[0], 0, 8)
		if err != nil {
			t.Fatal(err)
		}
		if bytes := strings.ReplaceAll(row[4], ",", ""); want[FlightKind(n)] != bytes {
			t.Errorf("flight %s has %s bytes in the document and %s in the source", row[0], bytes, want[FlightKind(n)])
		}
		sender := map[bool]string{true: "client", false: "server"}[n < 0x80]
		if row[2] != sender {
			t.Errorf("flight %s is sent by the %s", row[0], row[2])
		}
		delete(want, FlightKind(n))
	}
	for kind := range want {
		t.Errorf("the document does not name flight %#x", uint8(kind))
	}
}
