package iq_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// The document and the program must say the same; codec's own tests hold the frames as such.
func document(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rows are those below a header line, cells trimmed.
func rows(t *testing.T, text, header string) (out [][]string) {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n"+header+"\n")
	if !ok {
		t.Fatalf("the document has no table %q", header)
	}
	for _, line := range strings.Split(rest, "\n")[1:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		out = append(out, cells)
	}
	return out
}

// fields are the names in a cell; "-" is none.
func fields(cell string) []string {
	if cell == "-" {
		return nil
	}
	return strings.Split(cell, ", ")
}

func TestTheOperationsOfTheDocumentAreThoseOfTheProgram(t *testing.T) {
	text := document(t)
	said := map[string][]string{} // by an operation's name, what requests of the round trip say of it
	for i, r := range requests() {
		r.Ref = uint32(i + 1)
		out, err := iq.AppendRequest(nil, &r)
		if err != nil {
			t.Fatal(err)
		}
		said[r.Op.String()] = append(said[r.Op.String()], named(t, out, r.Op)...)
	}
	known := map[string]bool{}
	for _, row := range rows(t, text, "| Field | On the wire | Value |") {
		for _, name := range fields(row[0]) {
			known[name] = true
		}
	}
	listed := 0
	for _, row := range rows(t, text, "| Root | Type | Needs | May have | Who | What it does, and what the answer holds |") {
		name := row[0] + " " + row[1]
		used, ok := said[name]
		if !ok {
			t.Errorf("the program has no operation %q", name)
			continue
		}
		listed++
		all := append(fields(row[2]), fields(row[3])...)
		for _, field := range all {
			if !slices.Contains(used, field) || !known[field] {
				t.Errorf("%s: field %q is never said, or not explained", name, field)
			}
		}
		for _, field := range used {
			if !slices.Contains(all, field) {
				t.Errorf("%s: the document does not name %q", name, field)
			}
		}
	}
	if listed != int(iq.OpReport) {
		t.Errorf("%d operations are in the document, %d in the program", listed, iq.OpReport)
	}
}

// named lists what a request says beside its type.
func named(t *testing.T, frame []byte, op iq.Op) (out []string) {
	t.Helper()
	v, err := codec.ParseNode(split(t, frame))
	if err != nil {
		t.Fatal(err)
	}
	var tape codec.Tape
	if err := tape.Parse(&v); err != nil {
		t.Fatal(err)
	}
	root := tape.Root()
	for i := range root.AttrCount() {
		if key, _ := root.AttrAt(i); !key.Is("type") {
			out = append(out, key.Text())
		}
	}
	switch {
	case root.Content().Kind() == codec.ValueNone:
	case op == iq.OpDevicesSet:
		out = append(out, "devices")
	default:
		out = append(out, "users")
	}
	return out
}

// A field that an operation needs can't be left away, one that it may have can.
func TestFieldsThatTheDocumentNeedsAreNeeded(t *testing.T) {
	for _, row := range rows(t, document(t), "| Root | Type | Needs | May have | Who | What it does, and what the answer holds |") {
		for i, r := range requests() {
			r.Ref = uint32(i + 1)
			if r.Op.String() != row[0]+" "+row[1] {
				continue
			}
			out, err := iq.AppendRequest(nil, &r)
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range named(t, out, r.Op) {
				var tape codec.Tape
				var got iq.Request
				err := iq.ParseRequest(&tape, asFrame(t, 1, without(t, out, field)), &got)
				if needed := slices.Contains(fields(row[2]), field); needed != (err == iq.ErrForm) || err != nil && err != iq.ErrForm {
					t.Errorf("%s without %s: %v", r.Op, field, err)
				}
			}
		}
	}
}

// without is the node of a request with one field less.
func without(t *testing.T, frame []byte, field string) []byte {
	t.Helper()
	v, err := codec.ParseNode(split(t, frame))
	if err != nil {
		t.Fatal(err)
	}
	var tape codec.Tape
	if err := tape.Parse(&v); err != nil {
		t.Fatal(err)
	}
	root := tape.Root()
	return built(t, func(b *codec.Builder) {
		b.Open(root.Name().Text())
		for i := range root.AttrCount() {
			if key, value := root.AttrAt(i); !key.Is(field) {
				b.AttrCopy(key.Text(), value)
			}
		}
		if content := root.Content(); content.Kind() != codec.ValueNone && field != "users" && (field != "devices" || !root.Name().Is("devices")) {
			b.Copy(content)
		}
		b.Close()
	})
}

var wireLine = regexp.MustCompile(`(?m)^(?:[AB] )?(c>s|s>c) ([0-9a-f ]+)$`)

// Every request, answer, notice and event that the document shows is one, and this is how the program says it.
func TestTheRequestsAndAnswersOfTheDocumentAreReadAndSaidAgain(t *testing.T) {
	count := map[string]int{}
	_, text, _ := strings.Cut(document(t), "## Requests\n")
	groups, _, _ := strings.Cut(document(t), "## Devices of a user\n")
	for _, m := range wireLine.FindAllStringSubmatch(text+groups, -1) {
		b, err := hex.DecodeString(strings.ReplaceAll(m[2], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		f := split(t, b)
		var tape codec.Tape
		var again []byte
		var what string
		switch {
		case f.Kind == codec.KindDeliver:
			v, err := codec.ParseDeliver(f)
			if err != nil || v.Kind != codec.PayloadGroupEvent {
				continue
			}
			var e iq.Event
			if err := iq.ParseEvent(&tape, v.Blob, &e); err != nil {
				t.Errorf("%s: %v", m[0], err)
			}
			what, b = "event", v.Blob
			again, err = iq.AppendEvent(nil, &e)
			if err != nil {
				t.Error(err)
			}
		case f.Kind != codec.KindNode:
			continue
		case m[1] == "c>s":
			var r iq.Request
			if err = iq.ParseRequest(&tape, f, &r); err == nil {
				again, err = iq.AppendRequest(nil, &r)
			}
			what = "request"
		default:
			what, again, err = reply(&tape, f)
		}
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: %v\nsaid again as %x", m[0], err, again)
		}
		count[what]++
	}
	for what, least := range map[string]int{"request": 7, "answer": 7, "error": 1, "notice": 2, "event": 1} {
		if count[what] < least {
			t.Errorf("the document shows %d of kind %q", count[what], what)
		}
	}
}

func reply(tape *codec.Tape, f codec.Frame) (what string, again []byte, err error) {
	var a iq.Answer
	var n iq.Notice
	notice, err := iq.ParseReply(tape, f, &a, &n)
	switch {
	case err != nil:
		return "", nil, err
	case notice:
		again, err = iq.AppendNotice(nil, &n)
		return "notice", again, err
	case a.Code != codec.CodeNone:
		what = "error"
	default:
		what = "answer"
	}
	again, err = iq.AppendAnswer(nil, &a)
	return what, again, err
}

func TestTheLimitsOfTheDocumentAreThoseOfTheSource(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "limits.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			value, err := strconv.ParseUint(strings.ReplaceAll(v.Values[0].(*ast.BasicLit).Value, "_", ""), 10, 64)
			if err != nil {
				t.Error(err)
			}
			want[v.Names[0].Name] = fmt.Sprint(value)
		}
		return true
	})
	for _, row := range rows(t, document(t), "| Limit | Value | Unit | Above |") {
		if want[row[0]] != row[1] {
			t.Errorf("the document says %s is %s, the source %q", row[0], row[1], want[row[0]])
		}
		delete(want, row[0])
	}
	for name := range want {
		t.Errorf("the document does not name %s", name)
	}
}

// The list of devices that the document signs is signed with the key that the document registers.
func TestTheSignatureOfTheDocumentIsGood(t *testing.T) {
	text := document(t)
	find := func(pattern string) []byte {
		m := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("the document has nothing like %s", pattern)
		}
		b, err := hex.DecodeString(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	signed, signature := find(`(?m)^signed = ([0-9a-f]+)$`), find(`(?m)^signature = ([0-9a-f]+)$`)
	if want := iq.SignedBytes(nil, &iq.DeviceList{User: 1001, Version: 2, List: []uint8{0, 3}}); !bytes.Equal(signed, want) {
		t.Errorf("the signed bytes are %x", want)
	}
	if key := find(`(?m)^signed.txt signer_public = ([0-9a-f]+)$`); !ed25519.Verify(key, signed, signature) {
		t.Error("the signature is not that key's")
	}
}
