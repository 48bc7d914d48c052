package secure

import (
	"bytes"
	"reflect"
	"testing"
)

func TestALinkIsEightyBytesWithoutPointers(t *testing.T) {
	if size := reflect.TypeFor[Link]().Size(); size != LinkBytes || LinkBytes != 80 {
		t.Errorf("a link has %d bytes", size)
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[Link](), reflect.TypeFor[TicketKeys](), reflect.TypeFor[Ticket]()} {
		if pointers(typ) {
			t.Errorf("%s has pointers", typ)
		}
	}
}

func pointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if pointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Array:
		return pointers(t.Elem())
	}
	return t.Kind() > reflect.Complex128
}

// What a link says to inputs that hold no record to read.
func TestPlainOfInputsWithoutARecord(t *testing.T) {
	client, _ := linkPair()
	empty := seal(t, &client, nil, "", "", "")
	three := len(empty)
	whole := seal(t, &client, nil, "text")
	for _, c := range []struct {
		name  string
		input []byte
		at    int
		err   error
	}{
		{"nothing", nil, 0, nil},
		{"half a length", empty[:1], 0, nil},
		{"a length", empty[:2], 0, nil},
		{"a record without its last byte", empty[:17], 0, nil},
		{"an empty record is passed over", empty[:18], 18, nil},
		{"empty records and half of another", empty[:three-1], 36, nil},
		{"three empty records", empty, 54, nil},
		{"a length that leaves no room for a tag", []byte{0, 15}, 0, ErrRecord},
		{"a length of 0", []byte{0, 0}, 0, ErrRecord},
		{"a record that is not the next one", whole, 0, ErrRecord},
		{"a record with a wrong length", append([]byte{0, 17}, empty[2:19]...), 0, ErrRecord},
		{"a record of zeros", make18(), 0, ErrRecord},
		{"an empty record twice", append(bytes.Clone(empty[:18]), empty[:18]...), 18, ErrRecord},
		{"empty records in another order", append(bytes.Clone(empty[18:36]), empty[:18]...), 0, ErrRecord},
	} {
		_, server := linkPair()
		input := bytes.Clone(c.input)
		plain, at, err := server.Plain(input)
		if len(plain) != 0 || at != c.at || err != c.err {
			t.Errorf("%s: %d bytes at %d, %v", c.name, len(plain), at, err)
		}
		if err == nil {
			continue
		}
		if plain, _, again := server.Plain(input[at:]); len(plain) != 0 || again != ErrRecord {
			t.Errorf("%s, asked again: %d bytes, %v", c.name, len(plain), again)
		}
	}
}

func make18() []byte { return append([]byte{0, 16}, make([]byte, 16)...) }

func TestAnOwnRecordThatComesBackIsRefused(t *testing.T) {
	client, _ := linkPair()
	record := seal(t, &client, nil, "text")
	_, _, err := client.Plain(record)
	wantErr(t, "a reflected record", err, ErrRecord)
}

func TestTheRestOfARecordIsTakenInPieces(t *testing.T) {
	client, server := linkPair()
	input := seal(t, &client, nil, "", "abcdef", "gh")
	plain, at, err := server.Plain(input)
	if string(plain) != "abcdef" || at != 18+2 || err != nil || cap(plain) != 6 {
		t.Fatalf("%q at %d, %v", plain, at, err)
	}
	if tag := server.Consume(0); tag != 0 {
		t.Fatalf("nothing was taken and %d bytes go", tag)
	}
	input = input[at:]
	for _, step := range []struct {
		want string
		take int
		tag  int
	}{{"abcdef", 2, 0}, {"cdef", 3, 0}, {"f", 0, 0}, {"f", 1, TagBytes}} {
		plain, at, err := server.Plain(input)
		if string(plain) != step.want || at != 0 || err != nil {
			t.Fatalf("%q at %d, %v; want %q", plain, at, err, step.want)
		}
		tag := server.Consume(step.take)
		if tag != step.tag {
			t.Fatalf("after %d of %q, %d bytes go", step.take, plain, tag)
		}
		input = input[step.take+tag:]
	}
	if got, left, err := readAll(&server, input); string(got) != "gh" || left != 0 || err != nil {
		t.Fatalf("then %q, left %d, %v", got, left, err)
	}
}

func TestConsumeOfMoreOrLessThanThereIs(t *testing.T) {
	client, server := linkPair()
	if tag := server.Consume(5); tag != 0 {
		t.Errorf("without a rest %d bytes go", tag)
	}
	input := seal(t, &client, nil, "abc")
	if _, _, err := server.Plain(input); err != nil {
		t.Fatal(err)
	}
	if tag := server.Consume(-1); tag != 0 || server.rest() != 3 {
		t.Errorf("less than nothing: %d bytes go, %d rest", tag, server.rest())
	}
	if tag := server.Consume(4); tag != TagBytes || server.rest() != 0 {
		t.Errorf("more than there is: %d bytes go, %d rest", tag, server.rest())
	}
}

func TestARestThatTheCallerLostIsAnError(t *testing.T) {
	client, server := linkPair()
	input := seal(t, &client, nil, "abc")
	if _, _, err := server.Plain(input); err != nil {
		t.Fatal(err)
	}
	_, _, err := server.Plain(input[2 : len(input)-1])
	wantErr(t, "Plain", err, ErrRecord)
	server.opened &^= confirmedBit
	_, err = server.Confirm(input[2 : len(input)-1])
	wantErr(t, "Confirm", err, ErrRecord)
}

func TestConfirmLooksBehindTheRestAndTakesNothing(t *testing.T) {
	client, server, input := newRig(t).resume(t, []byte("early"))
	if ok, err := server.Confirm(input); ok || err != nil {
		t.Fatalf("early data alone: %v, %v", ok, err)
	}
	input = seal(t, &client, input, "late", "later")
	for n := len("early") + TagBytes; n < len("early")+TagBytes+2+4+TagBytes; n++ {
		if ok, err := server.Confirm(input[:n]); ok || err != nil || server.Confirmed() {
			t.Fatalf("%d bytes: %v, %v", n, ok, err)
		}
	}
	before := bytes.Clone(input)
	for range 2 {
		if ok, err := server.Confirm(input); !ok || err != nil || !server.Confirmed() || !bytes.Equal(input, before) {
			t.Fatalf("%v, %v, changed %v", ok, err, !bytes.Equal(input, before))
		}
	}
	if got, left, err := readAll(&server, input); string(got) != "earlylatelater" || left != 0 || err != nil {
		t.Fatalf("then %q, left %d, %v", got, left, err)
	}
}

func TestConfirmWithoutARest(t *testing.T) {
	client, server, input := newRig(t).resume(t, nil)
	input = seal(t, &client, input, "", "text")
	if ok, err := server.Confirm(input); !ok || err != nil {
		t.Fatalf("an empty record: %v, %v", ok, err)
	}
	if got, left, err := readAll(&server, input); string(got) != "text" || left != 0 || err != nil {
		t.Fatalf("then %q, left %d, %v", got, left, err)
	}
}

func TestConfirmRefusesWhatIsForged(t *testing.T) {
	client, server, early := newRig(t).resume(t, []byte("early"))
	record := seal(t, &client, nil, "late")
	for i := range record {
		k := server
		input := append(bytes.Clone(early), flip(record, 8*i+i%8)...)
		if ok, err := k.Confirm(input); ok || k.Confirmed() || err != nil && err != ErrRecord || i > 1 && err == nil {
			t.Errorf("byte %d: %v, %v", i, ok, err)
		}
	}
	if ok, err := server.Confirm(append(early, 0, 3)); ok || err != ErrRecord {
		t.Errorf("a length that leaves no room for a tag: %v, %v", ok, err)
	}
}

// Early data counts as opened but confirms nothing.
func TestEarlyDataDoesNotConfirm(t *testing.T) {
	_, server, input := newRig(t).resume(t, []byte("early"))
	plain, at, err := server.Plain(input)
	if string(plain) != "early" || at != 0 || err != nil || server.Consume(5) != TagBytes || server.Confirmed() {
		t.Errorf("%q at %d, %v, confirmed %v", plain, at, err, server.Confirmed())
	}
}

func TestFramesAreSealedWhereTheyLie(t *testing.T) {
	client, _ := linkPair()
	other := client
	frames := bytes.Repeat([]byte("frame "), 100)
	want, err := other.Seal([]byte("before"), frames)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 6, len(want))
	copy(buf, "before")
	place := buf[8 : 8+len(frames)]
	copy(place, frames)
	got, err := client.Seal(buf, place)
	if err != nil || !bytes.Equal(got, want) || &got[0] != &buf[0] {
		t.Errorf("sealed in place %.40x, %v; want %.40x", got, err, want)
	}
}

func TestTheLargestRecordHoldsTheLargestFrame(t *testing.T) {
	client, server := linkPair()
	record, err := client.Seal(nil, make([]byte, RecordPlainMax))
	if err != nil || len(record) != RecordPlainMax+RecordOverhead || record[0] != 0xFF || record[1] != 0xFF {
		t.Fatalf("%d bytes, %v", len(record), err)
	}
	if got, left, err := readAll(&server, record); len(got) != RecordPlainMax || left != 0 || err != nil {
		t.Errorf("%d bytes, left %d, %v", len(got), left, err)
	}
	out, err := client.Seal([]byte("before"), make([]byte, RecordPlainMax+1))
	if err != ErrRecordTooLarge || string(out) != "before" || client.sealed != 1 {
		t.Errorf("one byte more: %v", err)
	}
}

func TestKeysThatHaveSealedAllTheyMayAreExhausted(t *testing.T) {
	client, server := linkPair()
	client.sealed, server.opened = RecordsMax-1, (RecordsMax-1)|confirmedBit
	last := seal(t, &client, nil, "last")
	out, err := client.Seal([]byte("before"), nil)
	if err != ErrExhausted || string(out) != "before" {
		t.Errorf("one more: %v", err)
	}
	plain, _, err := server.Plain(append(last, make18()...))
	if string(plain) != "last" || err != nil || server.Consume(4) != TagBytes {
		t.Fatalf("the last record: %q, %v", plain, err)
	}
	_, _, err = server.Plain(make18())
	wantErr(t, "one record more", err, ErrExhausted)
	server.opened &^= confirmedBit
	_, err = server.Confirm(make18())
	wantErr(t, "confirming one more", err, ErrExhausted)
}

func TestALinkIsCarriedWhole(t *testing.T) {
	client, server, input := newRig(t).resume(t, []byte("abcdef"))
	input = seal(t, &client, input, "late")
	for range 3 {
		b := server.Append([]byte("before"))
		moved, err := ParseLink(b[6:])
		if err != nil || moved != server || len(b) != 6+LinkBytes {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		if _, _, err := moved.Plain(input); err != nil {
			t.Fatal(err)
		}
		tag := moved.Consume(2)
		input = input[2+tag:]
		server = moved
	}
	if got, left, err := readAll(&server, input); string(got) != "late" || left != 0 || err != nil {
		t.Errorf("after three moves %q, left %d, %v", got, left, err)
	}
}

func TestParseLinkRefuses(t *testing.T) {
	client, _ := linkPair()
	good := client.Append(nil)
	over := client
	over.sealed = RecordsMax + 1
	counted := (&Link{opened: 1}).Append(nil)
	for name, b := range map[string][]byte{
		"nothing": nil, "79 bytes": good[:79], "81 bytes": append(bytes.Clone(good), 0),
		"a counter above the limit": over.Append(nil), "records without keys": counted,
	} {
		k, err := ParseLink(b)
		if err != ErrLink || k != (Link{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if k, err := ParseLink((&Link{}).Append(nil)); err != nil || k.Keyed() {
		t.Errorf("the zero link: %v", err)
	}
}
