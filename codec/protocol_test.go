package codec_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"trunkline/codec"
	"trunkline/internal/wirecases"
)

// The document and the program must say the same. -update rewrites the XML lines of the document's frames; a person
// reads the difference.
var update = flag.Bool("update", false, "rewrite what the frames of docs/protocol.md are shown as")

const protocolPath = "../docs/protocol.md"

func readProtocol(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(protocolPath)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b), "\n")
}

var wireLine = regexp.MustCompile(`^(?:[AB] )?(c>s|s>c) ([0-9a-f ]+)$`)

// wireExample is a line of a wire block with the line below it.
type wireExample struct {
	line  int
	dir   codec.Direction
	bytes []byte
	shown string
}

func wireExamples(t *testing.T, lines []string) []wireExample {
	t.Helper()
	var out []wireExample
	inside := false
	for i, line := range lines {
		if strings.HasPrefix(line, "```") {
			inside = line == "```wire"
			continue
		}
		if !inside || strings.HasPrefix(line, "    ") {
			continue
		}
		m := wireLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("line %d: %q is no frame", i+1, line)
		}
		b, err := hex.DecodeString(strings.ReplaceAll(m[2], " ", ""))
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		e := wireExample{line: i + 1, dir: codec.ToClient, bytes: b}
		if m[1] == "c>s" {
			e.dir = codec.ToServer
		}
		if i+1 < len(lines) {
			e.shown = strings.TrimPrefix(lines[i+1], "    ")
		}
		out = append(out, e)
	}
	return out
}

func TestEveryFrameOfTheDocumentIsWhatItSays(t *testing.T) {
	lines := readProtocol(t)
	examples := wireExamples(t, lines)
	kinds := map[codec.Kind]bool{}
	for _, e := range examples {
		f, used, err := codec.Next(e.bytes, codec.FrameBytesMax)
		if err != nil || used != len(e.bytes) {
			t.Errorf("line %d: used %d of %d, %v", e.line, used, len(e.bytes), err)
			continue
		}
		kinds[f.Kind] = true
		value, err := wirecases.Parse(f, e.dir)
		if err != nil {
			t.Errorf("line %d: %v", e.line, err)
		}
		if value != nil {
			if again, err := wirecases.Append(nil, value); err != nil || !bytes.Equal(again, e.bytes) {
				t.Errorf("line %d: encoded %x, %v", e.line, again, err)
			}
		}
		if shown := string(codec.AppendXML(nil, f, e.dir)); shown != e.shown && !*update {
			t.Errorf("line %d: shown as\n%s\nthe document says\n%s", e.line, shown, e.shown)
		}
	}
	for k := range codec.Kind(0x80) {
		if k.Known() && k != codec.KindResume && !kinds[k] {
			t.Errorf("the document shows no %s", k)
		}
	}
	if *update {
		rewriteShown(t, lines, examples)
	}
}

func rewriteShown(t *testing.T, lines []string, examples []wireExample) {
	t.Helper()
	byLine := map[int]wireExample{}
	for _, e := range examples {
		byLine[e.line] = e
	}
	var out []string
	for i := 0; i < len(lines); i++ {
		out = append(out, lines[i])
		e, ok := byLine[i+1]
		if !ok {
			continue
		}
		if f, _, err := codec.Next(e.bytes, codec.FrameBytesMax); err == nil {
			out = append(out, "    "+string(codec.AppendXML(nil, f, e.dir)))
		}
		if i+1 < len(lines) && strings.HasPrefix(lines[i+1], "    <") {
			i++
		}
	}
	if err := os.WriteFile(protocolPath, []byte(strings.Join(out, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A layout table gives its frame in pieces: together they are the frame of the next wire block.
func TestEveryLayoutTableOfTheDocumentAddsUpToItsFrame(t *testing.T) {
	lines := readProtocol(t)
	examples := wireExamples(t, lines)
	tables := 0
	for i, line := range lines {
		if line != "| Bytes | Field | Type | Meaning |" {
			continue
		}
		tables++
		var sum string
		for _, row := range lines[i+2:] {
			cells := strings.Split(row, "|")
			if len(cells) < 5 {
				break
			}
			sum += strings.Trim(cells[1], " `")
		}
		next := slices.IndexFunc(examples, func(e wireExample) bool { return e.line > i })
		if next < 0 || hex.EncodeToString(examples[next].bytes) != sum {
			t.Errorf("line %d: the table adds up to %s", i+1, sum)
		}
	}
	if tables != 20 {
		t.Errorf("%d layout tables, want one for each stanza and direction, one for extensions, one for nodes and two for requests", tables)
	}
}

// table returns the rows below a header line, cells trimmed.
func table(t *testing.T, lines []string, header string) [][]string {
	t.Helper()
	at := slices.Index(lines, header)
	if at < 0 {
		t.Fatalf("the document has no table %q", header)
	}
	var rows [][]string
	for _, line := range lines[at+2:] {
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

// constants evaluates the constants that a source file of this package declares.
func constants(t *testing.T, file string) map[string]constant.Value {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	info := types.Info{Defs: map[*ast.Ident]types.Object{}}
	cfg := types.Config{Error: func(error) {}} // the file's functions refer to other files
	_, _ = cfg.Check("codec", fset, []*ast.File{parsed}, &info)
	out := map[string]constant.Value{}
	for _, obj := range info.Defs {
		if c, ok := obj.(*types.Const); ok && c.Exported() {
			out[c.Name()] = c.Val()
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s declares no constants", file)
	}
	return out
}

func TestTheLimitsOfTheDocumentAreThoseOfTheSource(t *testing.T) {
	want := constants(t, "limits.go")
	for _, row := range table(t, readProtocol(t), "| Limit | Value | Unit | What happens above |") {
		v, ok := want[row[0]]
		if !ok || v.String() != row[1] && v.ExactString() != row[1] {
			t.Errorf("the document says %s is %s, the source %v", row[0], row[1], v)
		}
		delete(want, row[0])
	}
	for name := range want {
		t.Errorf("the document does not name %s", name)
	}
}

func TestTheCodesOfTheDocumentAreThoseOfTheSource(t *testing.T) {
	want := map[codec.ErrorCode]bool{}
	for name, v := range constants(t, "kind.go") {
		if n, _ := constant.Uint64Val(v); strings.HasPrefix(name, "Code") && n != 0 {
			want[codec.ErrorCode(n)] = true
		}
	}
	if len(want) < 25 {
		t.Fatalf("found %d codes only", len(want))
	}
	connection := map[bool]string{true: "closes", false: "stays"}
	for _, row := range table(t, readProtocol(t), "| Code | Name | Where | Connection | Come back | Ref | Meaning |") {
		n, err := strconv.Atoi(row[0])
		code := codec.ErrorCode(n)
		if err != nil || !want[code] {
			t.Errorf("the source has no code %s", row[0])
		}
		delete(want, code)
		back := map[bool]string{true: "yes", false: "no"}[code.Returns()]
		if !code.Closes() {
			back = "-"
		}
		if row[1] != code.String() || row[3] != connection[code.Closes()] || row[4] != back || len(row) != 7 {
			t.Errorf("code %d: the document says %q", code, row)
		}
	}
	for code := range want {
		t.Errorf("the document does not have code %d (%s)", code, code)
	}
}

func TestTheTypesOfTheDocumentAreThoseOfTheSource(t *testing.T) {
	lines := readProtocol(t)
	flagNames := map[string]codec.Flags{}
	for _, row := range table(t, lines, "| Flag | Name | Meaning |") {
		n, err := strconv.ParseUint(row[0], 0, 8)
		if err != nil {
			t.Fatal(err)
		}
		flagNames[row[1]] = codec.Flags(n)
	}
	want := map[string]codec.Flags{"EXT": codec.FlagExt, "GROUP": codec.FlagGroup, "NOSTORE": codec.FlagNoStore, "URGENT": codec.FlagUrgent, "DEFLATE": codec.FlagDeflate}
	if fmt.Sprint(flagNames) != fmt.Sprint(want) {
		t.Errorf("flags %v, want %v", flagNames, want)
	}
	named := map[codec.Kind]bool{}
	for _, row := range table(t, lines, "| Type | Name | Sent by | Flags | Purpose |") {
		n, err := strconv.ParseUint(row[0], 0, 8)
		kind := codec.Kind(n)
		if err != nil || !kind.Known() || kind.String() != row[1] {
			t.Errorf("type %s is %q", row[0], kind)
			continue
		}
		named[kind] = true
		for name, flag := range flagNames {
			_, _, err := codec.Next([]byte{0x02, byte(kind), byte(flag)}, codec.FrameBytesMax)
			if taken := err != codec.ErrFlags; taken != slices.Contains(strings.Fields(row[3]), name) {
				t.Errorf("%s takes %s: %v, the document says %q", kind, name, taken, row[3])
			}
		}
	}
	for k := range codec.Kind(0x80) {
		if k.Known() && !named[k] {
			t.Errorf("the document does not name %s", k)
		}
	}
}

func TestTheLengthPrefixesOfTheDocumentAreTaken(t *testing.T) {
	rows := table(t, readProtocol(t), "| Length | Bytes | The prefix |")
	for _, row := range rows {
		length, err := strconv.Atoi(row[0])
		if err != nil {
			t.Fatal(err)
		}
		prefix, err := hex.DecodeString(strings.Trim(row[2], "`"))
		if err != nil || strconv.Itoa(len(prefix)) != row[1] {
			t.Errorf("%q: %v", row, err)
		}
		frame := append(append(prefix, 0x80, 0x00), make([]byte, length-2)...)
		if _, used, err := codec.Next(frame, codec.FrameBytesMax); err != nil || used != len(prefix)+length {
			t.Errorf("%q: used %d, %v", row, used, err)
		}
	}
	if len(rows) != 6 {
		t.Errorf("%d rows", len(rows))
	}
}
