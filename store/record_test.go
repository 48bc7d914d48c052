package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
)

func TestARecordComesBackAsItWas(t *testing.T) {
	rng := rand.New(rand.NewPCG(testSeed(t), 9))
	list := randomRecords(rng, 500)
	var w RecordWriter
	for i := range list {
		before := len(w.Bytes())
		w.Add(&list[i])
		if n := len(w.Bytes()) - before; n > RecordBytesMax {
			t.Errorf("a record of %d bytes", n)
		}
	}
	b := w.Bytes()
	var reader RecordReader
	for i := range list {
		var r Record
		used, err := reader.Next(&r, b)
		must(t, err)
		want := list[i]
		if len(want.Payload) == 0 {
			want.Payload = nil
		}
		want.Same = want.Same && len(want.Payload) >= sharedLeast // a short one is never named
		if !reflect.DeepEqual(r, want) || r.User() != recordBox(&want).user {
			t.Fatalf("record %d: %+v, want %+v", i, r, want)
		}
		b = b[used:]
	}
	if len(b) != 0 {
		t.Errorf("%d bytes are left", len(b))
	}
}

func TestBytesThatAreNoRecordAreRefused(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	for i, rec := range randomRecords(rng, 50) {
		whole := AppendRecord(nil, &rec)
		for n := range whole {
			if used, err := new(RecordReader).Next(new(Record), whole[:n:n]); !errors.Is(err, ErrRecord) || used != 0 {
				t.Fatalf("record %d cut to %d of %d bytes: %d, %v", i, n, len(whole), used, err)
			}
		}
		for _, bad := range []func(b []byte){
			func(b []byte) { b[0] = 0 },
			func(b []byte) { b[0] = byte(recordEnd) },
			func(b []byte) { b[1] = 0x80 }, // a user above UserMax
		} {
			b := bytes.Clone(whole)
			bad(b)
			if _, err := new(RecordReader).Next(new(Record), b); !errors.Is(err, ErrRecord) {
				t.Errorf("record %d: %x: %v", i, b[:recordKeyBytes], err)
			}
		}
	}
	tooLong := AppendRecord(nil, &Record{Kind: RecordAppend})
	tooLong[len(tooLong)-1], tooLong[len(tooLong)-2] = 0xff, 0xff
	if _, err := new(RecordReader).Next(new(Record), append(tooLong, make([]byte, 1<<16)...)); !errors.Is(err, ErrRecord) {
		t.Errorf("a payload that is too long: %v", err)
	}
}

func TestReadingARecordAllocatesNothing(t *testing.T) {
	b := AppendRecord(nil, message(boxKey{1, 2}, boxKey{3, 4}, 5, 6))
	var r Record
	if n := testing.AllocsPerRun(100, func() { _, _ = new(RecordReader).Next(&r, b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzNextRecord(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 9))
	for _, r := range randomRecords(rng, 30) {
		f.Add(AppendRecord(nil, &r))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		used, err := new(RecordReader).Next(&r, b)
		if err != nil {
			if used != 0 || !errors.Is(err, ErrRecord) {
				t.Errorf("%d, %v", used, err)
			}
			return
		}
		if again := AppendRecord(nil, &r); !bytes.Equal(again, b[:used]) {
			t.Errorf("%x became %x", b[:used], again)
		}
		if err := NewReplica(nil).Apply(&r); err != nil {
			t.Error(err)
		}
	})
}
