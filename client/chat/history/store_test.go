package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"trunkline/client"
	"trunkline/client/chat/talk"
	"trunkline/codec"
)

const me, friend, group = 1001, 1002, codec.GroupBit | 7

func openAt(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path, me, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func fresh(t *testing.T) *Store { return openAt(t, filepath.Join(t.TempDir(), "h")) }

// heard is a line that came.
func heard(from, id uint64, text string) talk.Line {
	return talk.Line{Peer: talk.Peer(from), From: from, Kind: talk.LineText, Text: text, At: time.UnixMilli(int64(id) * 1000), Gen: 3, ID: id}
}

func write(t *testing.T, s *Store, w talk.Write) []talk.Line {
	t.Helper()
	kept, _, err := s.Write(&w)
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func newest(t *testing.T, s *Store, p talk.Peer) talk.Page {
	t.Helper()
	page, err := s.Page(talk.Load{Peer: p})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestWhatIsKeptComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name ?#%.history")
	s := openAt(t, path)
	in := heard(friend, 5, "hi 👩‍👩‍👧 \x1b[31m\n\x00two")
	in.Device, in.GroupSeq, in.At = 3, 9, time.UnixMilli(1_700_000_000_123)
	own := talk.Line{Peer: talk.Peer(group), From: me, Mine: true, Kind: talk.LineText, Text: "mine", At: in.At, Seen: talk.SeenTold}
	kept := write(t, s, talk.Write{
		Lines:  []talk.Line{in},
		People: []talk.Person{{User: friend, Name: "Ann", About: "x", Picture: []byte{1}, Asked: in.At}},
		Groups: []talk.Group{{Peer: group, Subject: "hiking", Count: 3, Gone: true}},
	})
	row, err := s.Plan(&own)
	if err != nil || row != 2 || kept[0].Row != 1 {
		t.Fatalf("rows %d and %d, %v", kept[0].Row, row, err)
	}
	if err := s.Number(row, 17, client.TickServer, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != Mode {
		t.Errorf("the file is %v, %v", st.Mode(), err)
	}
	if list, _ := filepath.Glob(filepath.Dir(path) + "/*"); len(list) != 1 {
		for _, name := range list {
			if st, _ := os.Stat(name); st.Size() > 0 && name != path {
				t.Errorf("beside the history: %s of %d bytes", name, st.Size())
			}
		}
	}
	s = openAt(t, path)
	in.Row = 1
	if p := newest(t, s, friend); len(p.Lines) != 1 || p.Lines[0] != in || p.More {
		t.Errorf("read %+v, want %+v", p.Lines, in)
	}
	own.Row, own.Cseq, own.Level = 2, 17, client.TickServer
	if p := newest(t, s, group); len(p.Lines) != 1 || p.Lines[0] != own {
		t.Errorf("read %+v, want %+v", p.Lines, own)
	}
	start, err := s.Start()
	if err != nil || len(start.Talks) != 2 || start.Talks[0].Unread != 1 || start.Talks[1].Unread != 0 || start.Talks[1].Last != own {
		t.Errorf("start %+v, %v", start.Talks, err)
	}
	if p := start.People[0]; p.Name != "Ann" || p.About != "x" || !p.Asked.Equal(in.At) || len(p.Picture) != 1 {
		t.Errorf("person %+v", p)
	}
	if g := start.Groups[0]; g.Peer != group || g.Subject != "hiking" || g.Count != 3 || !g.Gone {
		t.Errorf("group %+v", g)
	}
}

func TestAMessageThatComesTwiceIsKeptOnce(t *testing.T) {
	s := fresh(t)
	a := heard(friend, 1, "a")
	inGroup := a
	inGroup.Peer = group // another stream
	otherGen := a
	otherGen.Gen++
	first := write(t, s, talk.Write{Lines: []talk.Line{a, inGroup, otherGen}})
	for i, l := range first {
		if l.Row != int64(i+1) {
			t.Errorf("line %d has row %d", i, l.Row)
		}
	}
	again := write(t, s, talk.Write{Lines: []talk.Line{otherGen, a, heard(friend, 2, "b")}})
	if again[0].Row != 0 || again[1].Row != 0 || again[2].Row == 0 {
		t.Errorf("the second time: rows %d %d %d", again[0].Row, again[1].Row, again[2].Row)
	}
	if n := len(newest(t, s, friend).Lines); n != 3 {
		t.Errorf("%d lines", n)
	}
}

func TestTicksReachTheLinesTheyAreAbout(t *testing.T) {
	s := fresh(t)
	for i, peer := range []talk.Peer{friend, 1003, group, friend} {
		row, err := s.Plan(&talk.Line{Peer: peer, From: me, Mine: true, Kind: talk.LineText, At: time.UnixMilli(1)})
		if err == nil {
			err = s.Number(row, uint64(i+1), 0, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(t, s, talk.Write{
		Ticks: []client.Tick{
			{Level: client.TickRead, First: 1, Last: 3, Peer: friend}, {Level: client.TickServer, First: 1, Last: 2},
			{Level: client.TickDelivered, First: 1, Last: 9, Group: group},
		},
		Rejects: []client.Rejected{{ID: 4, Peer: friend, Code: codec.CodeMailboxFull}},
	})
	var got []string
	for row := int64(1); row <= 4; row++ {
		lines, err := s.lines("SELECT "+columns+" FROM line WHERE row = ?", row)
		if err != nil || len(lines) != 1 {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(lines[0].Level, lines[0].Code))
	}
	if want := []string{"read none", "server none", "delivered none", "waiting mailbox_full"}; !slices.Equal(got, want) {
		t.Errorf("levels %q, want %q", got, want)
	}
	if err := s.Reconcile([]client.Sent{{ID: 2, Level: client.TickRead}, {ID: 1, Level: client.TickServer, Rejected: 3}}); err != nil {
		t.Fatal(err)
	}
	if l := newest(t, s, 1003).Lines[0]; l.Level != client.TickRead {
		t.Errorf("after the start: %+v", l)
	}
	if l := newest(t, s, friend).Lines[0]; l.Level != client.TickRead || l.Code != 3 {
		t.Errorf("a level never falls: %+v", l)
	}
}

func TestADeviceThatBeginsAnewDoesNotMixItsNumbersUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h")
	s := openAt(t, path)
	row, err := s.Plan(&talk.Line{Peer: friend, From: me, Mine: true, Kind: talk.LineText, Text: "old"})
	if err != nil || s.Number(row, 1, 0, 0) != nil || s.Close() != nil {
		t.Fatal(err)
	}
	if s, err = Open(path, me, 0, true); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if row, err = s.Plan(&talk.Line{Peer: friend, From: me, Mine: true, Kind: talk.LineText, Text: "new"}); err == nil {
		err = s.Number(row, 1, 0, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, talk.Write{Ticks: []client.Tick{{Level: client.TickRead, First: 1, Last: 1, Peer: friend}}})
	if l := newest(t, s, friend).Lines; l[0].Level != 0 || l[1].Level != client.TickRead {
		t.Errorf("levels %v %v", l[0].Level, l[1].Level)
	}
}

func TestPagesMeetWithoutGapOrRepetition(t *testing.T) {
	s := fresh(t)
	const n = 3*talk.PageLines + 17
	var w talk.Write
	for i := uint64(1); i <= n; i++ {
		w.Lines = append(w.Lines, heard(friend, i, fmt.Sprint("line ", i)), heard(1003, i, "elsewhere"))
	}
	write(t, s, w)
	var all []talk.Line
	for q := (talk.Load{Peer: friend}); ; q.Before = all[0].Row {
		p, err := s.Page(q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(append([]talk.Line(nil), p.Lines...), all...)
		if !p.More {
			break
		}
	}
	for i := range all {
		if all[i].ID != uint64(i+1) {
			t.Fatalf("line %d has id %d", i, all[i].ID)
		}
	}
	if len(all) != n {
		t.Fatalf("%d lines", len(all))
	}
	at := all[n/2]
	p, err := s.Page(talk.Load{Peer: friend, Around: at.Row})
	if err != nil || len(p.Lines) != 2*talk.PageLines || p.Lines[talk.PageLines-1] != at || !p.More || !p.Newer {
		t.Fatalf("around: %d lines, more %v %v, %v", len(p.Lines), p.More, p.Newer, err)
	}
	last := p.Lines[len(p.Lines)-1]
	if p, err = s.Page(talk.Load{Peer: friend, After: last.Row}); err != nil || p.Newer || p.Lines[0].ID != last.ID+1 || p.Lines[len(p.Lines)-1].ID != n {
		t.Errorf("after: %v %v", p.Newer, err)
	}
}

func TestSearch(t *testing.T) {
	s := fresh(t)
	texts := []string{"Grüße aus Köln", "100% sure", "100 percent", "naïve “quoted\" words", "日本語のテキスト", "ab", "under_score", "GRÜSSE an alle"}
	var w talk.Write
	for i, text := range texts {
		w.Lines = append(w.Lines, heard(friend, uint64(i+1), text))
	}
	event := heard(friend, 99, "Köln is an event")
	event.Kind = talk.LineEvent
	w.Lines = append(w.Lines, event)
	write(t, s, w)
	for _, row := range []struct {
		find string
		want []uint64
	}{
		{"köln", []uint64{1}},
		{"grü", []uint64{8, 1}},
		{"100", []uint64{3, 2}},
		{"100 %", []uint64{2}},
		{"r_s", []uint64{7}},
		{"b", []uint64{6}},
		{`quoted"`, []uint64{4}},
		{"本語の", []uint64{5}},
		{"語", []uint64{5}},
		{"sure OR percent", nil},
		{"alle grüsse", []uint64{8}},
		{`"`, []uint64{4}},
		{"x* AND NEAR(", nil},
	} {
		lines, err := s.Find(row.find)
		var got []uint64
		for _, l := range lines {
			got = append(got, l.ID)
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(row.want) {
			t.Errorf("%q: %v, %v; want %v", row.find, got, err, row.want)
		}
	}
	if err := s.Forget(friend); err != nil {
		t.Fatal(err)
	}
	if lines, err := s.Find("köln"); err != nil || len(lines) != 0 {
		t.Errorf("after Forget: %v %v", lines, err)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsSeenIsOwedUntilItIsTold(t *testing.T) {
	s := fresh(t)
	write(t, s, talk.Write{Lines: []talk.Line{heard(friend, 1, "a"), heard(1003, 1, "b"), heard(friend, 2, "c")}})
	if owed, err := s.Owed(10); err != nil || len(owed) != 0 {
		t.Errorf("owed %v %v", owed, err)
	}
	if err := s.See(friend); err != nil {
		t.Fatal(err)
	}
	owed, err := s.Owed(10)
	if err != nil || len(owed) != 2 || owed[0].ID != 1 || owed[1].ID != 2 {
		t.Fatalf("owed %v %v", owed, err)
	}
	if err := s.Told([]int64{owed[0].Row}); err != nil {
		t.Fatal(err)
	}
	if owed, err = s.Owed(10); err != nil || len(owed) != 1 || owed[0].ID != 2 {
		t.Errorf("owed %v %v", owed, err)
	}
}

func TestALineWithoutANumberIsPending(t *testing.T) {
	s := fresh(t)
	a, err := s.Plan(&talk.Line{Peer: friend, From: me, Mine: true, Kind: talk.LineText, Text: "a"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Plan(&talk.Line{Peer: friend, From: me, Mine: true, Kind: talk.LineText, Text: "b"})
	if err != nil || s.Number(a, 41, 0, 0) != nil {
		t.Fatal(err)
	}
	lines, highest, err := s.Pending()
	if err != nil || len(lines) != 1 || lines[0].Row != b || highest != 41 {
		t.Errorf("pending %v, highest %d, %v", lines, highest, err)
	}
	if err := s.Remove(b); err != nil {
		t.Fatal(err)
	}
	if lines, _, err = s.Pending(); err != nil || len(lines) != 0 {
		t.Errorf("pending %v %v", lines, err)
	}
}

func TestFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const words = "this is a text file that is long enough to have a header of its own, if SQLite looked for one; more words follow here"
	text := put("text", []byte(words))
	if _, err := Open(text, me, 0, false); !errors.Is(err, ErrNotHistory) {
		t.Errorf("a text: %v", err)
	}
	if b, err := os.ReadFile(text); err != nil || string(b) != words {
		t.Errorf("the text was changed: %q, %v", b, err)
	}
	other := filepath.Join(dir, "other")
	s := openAt(t, other)
	if _, err := s.db.Exec("PRAGMA application_id = 77"); err != nil || s.Close() != nil {
		t.Fatal(err)
	}
	if _, err := Open(other, me, 0, false); !errors.Is(err, ErrNotHistory) {
		t.Errorf("another program's database: %v", err)
	}
	torn := filepath.Join(dir, "torn")
	s = openAt(t, torn)
	write(t, s, talk.Write{Lines: []talk.Line{heard(friend, 1, "a")}})
	_ = s.Close()
	b, err := os.ReadFile(torn)
	if err != nil {
		t.Fatal(err)
	}
	for i := 100; i < len(b); i++ {
		b[i] ^= 0x5a
	}
	if _, err := Open(put("torn", b), me, 0, false); !errors.Is(err, ErrNotHistory) {
		t.Errorf("a damaged file: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "nowhere", "h"), me, 0, false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestOneProcessAndOneDevice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h")
	s := openAt(t, path)
	if _, err := Open(path, me, 0, false); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	_ = s.Close()
	for _, o := range []struct {
		user   uint64
		device uint8
	}{{me, 1}, {friend, 0}} {
		if _, err := Open(path, o.user, o.device, false); !errors.Is(err, ErrOtherDevice) {
			t.Errorf("user %d device %d: %v", o.user, o.device, err)
		}
	}
}

func TestOldAndNewerSchemas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h")
	s := openAt(t, path)
	write(t, s, talk.Write{Lines: []talk.Line{heard(friend, 1, "of the old version")}})
	_ = s.Close()
	later := append(steps(), "ALTER TABLE line ADD COLUMN mood TEXT NOT NULL DEFAULT 'fine'; UPDATE line SET mood = 'old'")
	broken := append(steps(), "ALTER TABLE line ADD COLUMN mood TEXT; this is no SQL")
	if _, err := open(path, me, 0, false, broken); err == nil {
		t.Fatal("a step that fails was taken")
	}
	s, err := open(path, me, 0, false, later)
	if err != nil {
		t.Fatalf("after a step that failed: %v", err)
	}
	var mood string
	if err := s.db.QueryRow("SELECT mood FROM line").Scan(&mood); err != nil || mood != "old" {
		t.Errorf("mood %q, %v", mood, err)
	}
	if p := newest(t, s, friend); len(p.Lines) != 1 || p.Lines[0].Text != "of the old version" {
		t.Errorf("read %v", p.Lines)
	}
	_ = s.Close()
	if _, err := Open(path, me, 0, false); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer file: %v", err)
	}
}

func TestAFullDiskIsAClearErrorAndCostsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h")
	s := openAt(t, path)
	write(t, s, talk.Write{Lines: []talk.Line{heard(friend, 1, "before")}})
	var pages int
	if err := s.db.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if err := s.db.QueryRow(fmt.Sprintf("PRAGMA max_page_count = %d", pages+2)).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	long := heard(friend, 2, string(make([]byte, 60_000)))
	if _, _, err := s.Write(&talk.Write{Lines: []talk.Line{heard(friend, 3, "with it"), long}}); !errors.Is(err, ErrFull) {
		t.Fatalf("Write: %v", err)
	}
	if n := len(newest(t, s, friend).Lines); n != 1 {
		t.Errorf("%d lines: half of a burst was kept", n)
	}
	if err := s.db.QueryRow("PRAGMA max_page_count = 100000").Scan(&pages); err != nil { // somebody makes room
		t.Fatal(err)
	}
	write(t, s, talk.Write{Lines: []talk.Line{heard(friend, 3, "with it"), long}})
	if n := len(newest(t, s, friend).Lines); n != 3 {
		t.Errorf("%d lines", n)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
}
