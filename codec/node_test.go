package codec

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"
)

// buildQuery is a node like those that clients ask with.
func buildQuery(dst []byte) ([]byte, error) {
	b := NewBuilder(dst)
	b.Open("iq")
	b.Attr("type", "set")
	b.AttrUser("to", 1002)
	b.AttrUint("version", 300)
	b.Open("group-create")
	b.Attr("subject", "Sunday")
	for user := uint64(1003); user < 1006; user++ {
		b.Open("participant")
		b.AttrUser("id", user)
		b.Close()
	}
	b.Close()
	b.Close()
	return b.Finish()
}

func TestBuilderWritesTheBytesOfTheDocument(t *testing.T) {
	got, err := buildQuery([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	// Each line is one value or tag; codes are those of dict/tokens.txt.
	want := hex.EncodeToString([]byte("before")) +
		"fd03" + "01" + // node with content, three attributes, "iq"
		"09" + "0d" + // type set
		"0a" + "e903ea" + // to 1002
		"1c" + "e1012c" + // version 300
		"fa" + // its children
		"fd01" + "d844" + // "group-create"
		"3f" + "f00653756e646179" + // subject Sunday
		"fa" +
		"fc01" + "d857" + "08e903eb" + // "participant" id 1003
		"fc01" + "d857" + "08e903ec" +
		"fc01" + "d857" + "08e903ed" +
		"fb" + "fb"
	if hex.EncodeToString(got) != want {
		t.Errorf("got  %x\nwant %s", got, want)
	}
}

func TestTapeReadsWhatTheBuilderWrote(t *testing.T) {
	body, err := buildQuery(nil)
	if err != nil {
		t.Fatal(err)
	}
	var tape Tape
	if err := tape.Parse(&Node{Body: body}); err != nil {
		t.Fatal(err)
	}
	root := tape.Root()
	to, _ := root.Attr("to").User()
	version, _ := root.Attr("version").Uint()
	if !root.Name().Is("iq") || !root.Attr("type").Is("set") || to != 1002 || version != 300 || root.AttrCount() != 3 {
		t.Errorf("root %q: type %q to %d version %d", root.Name().Text(), root.Attr("type").Text(), to, version)
	}
	create := root.First()
	subject, ok := create.Attr("subject").Bytes()
	if !create.Name().Is("group-create") || !ok || string(subject) != "Sunday" || create.Next().Kind() != ValueNone {
		t.Errorf("child %q with subject %q", create.Name().Text(), subject)
	}
	want := uint64(1003)
	for p := create.First(); p.Kind() != ValueNone; p = p.Next() {
		if id, _ := p.Attr("id").User(); id != want || p.Content().Kind() != ValueNone || p.First().Kind() != ValueNone {
			t.Errorf("participant %d, want %d", id, want)
		}
		want++
	}
	if want != 1006 {
		t.Errorf("the walk ended before %d", want)
	}
	if missing := root.Attr("missing"); missing.Kind() != ValueNone || missing.Text() != "" || missing.Name().Kind() != ValueNone || missing.First().Kind() != ValueNone || missing.Next().Kind() != ValueNone {
		t.Errorf("a missing attribute says %q", missing.Text())
	}
}

func TestNodePathAllocatesNothing(t *testing.T) {
	var tape Tape
	buf := make([]byte, 0, 256)
	run := func() {
		body, err := buildQuery(buf)
		if err != nil {
			t.Fatal(err)
		}
		n := Node{Ref: 1, Body: body}
		if err := tape.Parse(&n); err != nil {
			t.Fatal(err)
		}
		if !tape.Root().First().Attr("subject").Is("Sunday") || !tape.Root().Equal(tape.Root()) {
			t.Fatal("subject lost")
		}
		b := NewBuilder(body[len(body):])
		if b.Copy(tape.Root()); b.err != nil {
			t.Fatal(b.err)
		}
	}
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations for build, parse, walk, copy", n)
	}
}

// randomNode draws a node within the limits.
func randomNode(r *rand.Rand, b *Builder, depth int) {
	names := []string{"iq", "item", "not a token", "rate_limited", "x"}
	b.Open(names[r.IntN(len(names))])
	for i, n := 0, r.IntN(4); i < n; i++ {
		key := []string{"id", "to", "a", "draining", "key with spaces"}[i]
		switch r.IntN(4) {
		case 0:
			b.Attr(key, names[r.IntN(len(names))])
		case 1:
			b.AttrUint(key, r.Uint64()>>r.IntN(64))
		case 2:
			b.AttrUser(key, r.Uint64()>>r.IntN(64))
		default:
			b.AttrBytes(key, bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(300)))
		}
	}
	switch r.IntN(6) {
	case 0:
		b.Text(names[r.IntN(len(names))])
	case 1:
		b.Bytes(bytes.Repeat([]byte{7}, r.IntN(70_000)))
	case 2:
		b.OpenList()
		b.Uint(r.Uint64() >> r.IntN(64))
		b.OpenList()
		b.User(1001)
		b.Close()
		b.Close()
	case 3, 4:
		for n := r.IntN(4); n > 0 && depth < NodeDepthMax-1; n-- {
			randomNode(r, b, depth+1)
		}
	}
	b.Close()
}

func TestRandomNodesComeBackEqual(t *testing.T) {
	var first, second Tape
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := NewBuilder(nil)
		randomNode(r, &b, 1)
		body, err := b.Finish()
		if errors.Is(err, ErrNodeLimit) && len(b.dst) > NodeInflatedBytesMax {
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		plain := Node{Body: body}
		if err := first.Parse(&plain); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		packed, _ := CompressNode(plain, nil)
		if err := second.Parse(&packed); err != nil {
			t.Fatalf("seed %d, compressed %v: %v", seed, packed.Flags, err)
		}
		if !first.Root().Equal(second.Root()) {
			t.Fatalf("seed %d: not equal after compression", seed)
		}
		again := NewBuilder(nil)
		again.Copy(second.Root())
		if out, err := again.Finish(); err != nil || !bytes.Equal(out, body) {
			t.Fatalf("seed %d: %v\nfirst  %x\nsecond %x", seed, err, body, out)
		}
	}
}

func TestEqualSeesEveryDifference(t *testing.T) {
	build := func(f func(b *Builder)) *Tape {
		b := NewBuilder(nil)
		b.Open("iq")
		f(&b)
		b.Close()
		body, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		tape := new(Tape)
		if err := tape.Parse(&Node{Body: body}); err != nil {
			t.Fatal(err)
		}
		return tape
	}
	tapes := []*Tape{
		build(func(b *Builder) {}),
		build(func(b *Builder) { b.OpenList(); b.Close() }),
		build(func(b *Builder) { b.Text("id") }),
		build(func(b *Builder) { b.Text("ids") }),
		build(func(b *Builder) { b.Text("idx") }),
		build(func(b *Builder) { b.Uint(10) }),
		build(func(b *Builder) { b.User(10) }),
		build(func(b *Builder) { b.Attr("id", "to") }),
		build(func(b *Builder) { b.Attr("to", "id") }),
		build(func(b *Builder) { b.AttrUint("id", 1); b.AttrUint("to", 2) }),
		build(func(b *Builder) { b.AttrUint("to", 2); b.AttrUint("id", 1) }),
		build(func(b *Builder) {
			b.OpenList()
			b.OpenList()
			b.Close()
			b.OpenList()
			b.Close()
			b.Close()
		}),
		build(func(b *Builder) {
			b.OpenList()
			b.OpenList()
			b.OpenList()
			b.Close()
			b.Close()
			b.Close()
		}),
	}
	for i, a := range tapes {
		for j, b := range tapes {
			if a.Root().Equal(b.Root()) != (i == j) {
				t.Errorf("nodes %d and %d: equal is %v", i, j, i != j)
			}
		}
	}
	if (Value{}).Equal(tapes[0].Root()) || !(Value{}).Equal(Value{}) {
		t.Error("none equals a node or is not equal to none")
	}
}

func TestBuilderRefuses(t *testing.T) {
	nest := func(n int, b *Builder) {
		for range n {
			b.Open("item")
		}
		for range n {
			b.Close()
		}
	}
	for _, c := range []struct {
		name  string
		build func(b *Builder)
		want  error
	}{
		{"nothing", func(b *Builder) {}, ErrBuilder},
		{"a text without a node", func(b *Builder) { b.Text("id") }, ErrBuilder},
		{"a list without a node", func(b *Builder) { b.OpenList() }, ErrBuilder},
		{"two roots", func(b *Builder) { nest(1, b); nest(1, b) }, ErrBuilder},
		{"a node that stays open", func(b *Builder) { b.Open("iq") }, ErrBuilder},
		{"a close too many", func(b *Builder) { nest(1, b); b.Close() }, ErrBuilder},
		{"a node without a name", func(b *Builder) { b.Open(""); b.Close() }, ErrBuilder},
		{"an attribute without a key", func(b *Builder) { b.Open("iq"); b.Attr("", "x"); b.Close() }, ErrBuilder},
		{"an attribute without a node", func(b *Builder) { b.Attr("id", "x") }, ErrBuilder},
		{"an attribute behind the content", func(b *Builder) { b.Open("iq"); b.Text("id"); b.Attr("to", "x"); b.Close() }, ErrBuilder},
		{"two contents", func(b *Builder) { b.Open("iq"); b.Text("id"); b.Text("id"); b.Close() }, ErrBuilder},
		{"a child behind a text", func(b *Builder) { b.Open("iq"); b.Text("id"); nest(1, b); b.Close() }, ErrBuilder},
		{"an attribute that is none", func(b *Builder) { b.Open("iq"); b.AttrCopy("id", Value{}); b.Close() }, ErrBuilder},
		{"a key twice", func(b *Builder) { b.Open("iq"); b.Attr("id", "a"); b.AttrUser("to", 1); b.Attr("id", "b"); b.Close() }, ErrNodeForm},
		{"nine deep", func(b *Builder) { nest(NodeDepthMax+1, b) }, ErrNodeLimit},
		{"33 attributes", func(b *Builder) {
			b.Open("iq")
			for i := range NodeAttrsMax + 1 {
				b.AttrUint(string(rune('A'+i)), 1)
			}
			b.Close()
		}, ErrNodeLimit},
		{"more items than allowed", func(b *Builder) {
			b.Open("iq")
			b.OpenList()
			for range NodeItemsMax - 2 {
				b.Uint(1)
			}
			b.Close()
			b.Close()
		}, ErrNodeLimit},
		{"more bytes than allowed", func(b *Builder) { b.Open("iq"); b.Bytes(make([]byte, NodeInflatedBytesMax)); b.Close() }, ErrNodeLimit},
		{"a text of 16 MB", func(b *Builder) { b.Open("iq"); b.Bytes(make([]byte, 1<<24)); b.Close() }, ErrNodeLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := NewBuilder([]byte("before"))
			c.build(&b)
			out, err := b.Finish()
			if !errors.Is(err, c.want) || string(out) != "before" {
				t.Fatalf("%q, %v; want %v", out, err, c.want)
			}
		})
	}
}

func TestNodesAtTheLimitsAreTaken(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(b *Builder)
	}{
		{"eight deep", func(b *Builder) {
			for range NodeDepthMax {
				b.Open("item")
			}
			for range NodeDepthMax {
				b.Close()
			}
		}},
		{"lists eight deep", func(b *Builder) {
			b.Open("item")
			for range NodeDepthMax {
				b.OpenList()
			}
			for range NodeDepthMax + 1 {
				b.Close()
			}
		}},
		{"32 attributes", func(b *Builder) {
			b.Open("iq")
			for i := range NodeAttrsMax {
				b.AttrUint(string(rune('A'+i)), 1)
			}
			b.Close()
		}},
		{"4,096 items", func(b *Builder) {
			b.Open("iq")
			b.OpenList()
			for range NodeItemsMax - 3 {
				b.Uint(1)
			}
			b.Close()
			b.Close()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := NewBuilder(nil)
			c.build(&b)
			body, err := b.Finish()
			if err != nil {
				t.Fatal(err)
			}
			var tape Tape
			if err := tape.Parse(&Node{Body: body}); err != nil {
				t.Fatal(err)
			}
			again := NewBuilder(nil)
			again.Copy(tape.Root())
			if out, err := again.Finish(); err != nil || !bytes.Equal(out, body) {
				t.Fatalf("copied to %d bytes of %d, %v", len(out), len(body), err)
			}
		})
	}
}
