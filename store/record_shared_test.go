package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"
)

// parts is what was noted and what a RecordWriter has made of it.
type parts struct {
	w    RecordWriter
	list []*Record
	full map[string]int // how often a payload was written
}

func (x *parts) add(r *Record) {
	before := len(x.w.Bytes())
	x.w.Add(r)
	x.list = append(x.list, r)
	if len(x.w.Bytes())-before == recordAppendBytes+len(r.Payload) {
		if x.full == nil {
			x.full = map[string]int{}
		}
		x.full[string(r.Payload)]++
	}
}

// readBack compares what a reader makes of it with what was noted, and applies it.
func (x *parts) readBack(t *testing.T) *Replica {
	t.Helper()
	var reader RecordReader
	replica, b := NewReplica(nil), x.w.Bytes()
	for i, want := range x.list {
		var r Record
		used, err := reader.Next(&r, b)
		must(t, err)
		if r.Kind != want.Kind || r.Entry != want.Entry || !bytes.Equal(r.Payload, want.Payload) {
			t.Fatalf("record %d of %d: %+v with %x, noted %+v with %x", i, len(x.list), r.Entry, r.Payload, want.Entry, want.Payload)
		}
		must(t, replica.Apply(&r))
		b = b[used:]
	}
	same(t, "bytes that are no record", len(b), 0)
	for _, want := range x.list {
		box := replica.boxes[boxKey{want.Entry.User, want.Entry.Device}]
		if at, ok := box.find(want.Entry.Seq); !ok || !bytes.Equal(box.added[at].payload, want.Payload) {
			t.Fatalf("a replica has another payload for %+v", want.Entry)
		}
	}
	return replica
}

// TestARunIsWrittenOnceThoughItsSendersGetPlaces: each member gets all messages of a run, but for its own, of which it gets the first 16 bytes.
// Other messages of the turn, between two members, push it out all SharedLanes of them, not each time.
func TestARunIsWrittenOnceThoughItsSendersGetPlaces(t *testing.T) {
	const members, senders = 1_000, 16
	for _, messages := range []int{1, 15, SharedLanes} {
		for _, others := range []int{0, 1, SharedLanes, 200} {
			t.Run(fmt.Sprintf("run of %d, %d others", messages, others), func(t *testing.T) {
				var x parts
				run, held, places := make([][]byte, messages), make([]bool, messages), 0
				for i := range run {
					run[i] = fmt.Appendf(nil, "the group's id and %03d %0200d", i, i)
				}
				for user := range uint64(members) {
					for i, payload := range run {
						r := shared(user, uint64(i+1), payload)
						if user == uint64(i)*(members/senders) {
							r.Payload, r.Same, places = payload[:16], false, places+1
						} else {
							r.Same, held[i] = held[i], true
						}
						x.add(r)
					}
					if n := uint64(others); user*n/members != (user+1)*n/members {
						r := shared(members+user, 1, fmt.Appendf(nil, "another message, which user %d gets", user))
						r.Same = false
						x.add(r)
					}
				}
				same(t, "places", places, messages)
				bytesOnce := 0
				for i, payload := range run {
					if n, most := x.full[string(payload)], 1+others/(SharedLanes+1); n < 1 || n > most {
						t.Errorf("message %d was written %d times, want at most %d", i, n, most)
					}
					bytesOnce += len(payload)
				}
				most := (1+others/(SharedLanes+1))*bytesOnce + 16*messages + 50*others
				if kept := len(x.readBack(t).payloads); kept > most {
					t.Errorf("a replica keeps %d bytes of a run of %d, want at most %d", kept, bytesOnce, most)
				}
			})
		}
	}
}

// TestShortPayloadsAreNeverNamed: a reader agrees on which those are, or else it would count other payloads than the writer.
func TestShortPayloadsAreNeverNamed(t *testing.T) {
	long := bytes.Repeat([]byte{1}, sharedLeast)
	var x parts
	x.add(shared(1, 1, long))
	for i := range 3 * SharedMax {
		short := bytes.Repeat([]byte{byte(i)}, 1+i%(sharedLeast-1))
		x.add(shared(2, uint64(2*i+1), short))
		x.add(shared(2, uint64(2*i+2), short))
	}
	x.add(shared(3, 1, long))
	same(t, "times that the long one was written", x.full[string(long)], 1)
	same(t, "bytes of the last record", bytes.HasSuffix(x.w.Bytes(), long), false)
	for i := range 3 * SharedMax {
		short := bytes.Repeat([]byte{byte(i)}, 1+i%(sharedLeast-1))
		same(t, "times that a short one was written", x.full[string(short)], 2)
	}
	x.readBack(t)

	short := long[:sharedLeast-1]
	b := AppendRecord(nil, shared(1, 1, short))
	first := len(b)
	b = append(b, make([]byte, recordAgainBytes)...)
	putEntryRecord(b[first:], recordAgain, &shared(2, 1, short).Entry)
	binary.BigEndian.PutUint16(b[first+recordEntryBytes:], uint16(len(short)))
	binary.BigEndian.PutUint32(b[first+recordEntryBytes+2:], crc32.Checksum(short, castagnoli))
	var reader RecordReader
	_, err := reader.Next(new(Record), b)
	must(t, err)
	if used, err := reader.Next(new(Record), b[first:]); !errors.Is(err, ErrRecord) || used != 0 {
		t.Errorf("an append that names a short payload: %d, %v", used, err)
	}
}

// withSumOf is a payload that begins with front and has the length and the CRC-32C of another: the sum of four more bytes depends on the
// bits in which they differ from the sum of what is before them, and on nothing else.
func withSumOf(t *testing.T, front string, of []byte) []byte {
	t.Helper()
	n := len(of) - 4
	b := append(bytes.Repeat([]byte{'.'}, n), 0, 0, 0, 0)
	copy(b[:n], front)
	last := binary.LittleEndian.Uint32(of[n:]) ^ crc32.Checksum(of[:n], castagnoli) ^ crc32.Checksum(b[:n], castagnoli)
	binary.LittleEndian.PutUint32(b[n:], last)
	if bytes.Equal(b, of) || crc32.Checksum(b, castagnoli) != crc32.Checksum(of, castagnoli) {
		t.Fatalf("%q has another sum than %q", b, of)
	}
	return b
}

// TestPayloadsWithOneSumAreNotTakenForEachOther: only a sender who wants that makes two, and what others get must not depend on it.
func TestPayloadsWithOneSumAreNotTakenForEachOther(t *testing.T) {
	one := []byte("a message whose sum another one has as well")
	two, three := withSumOf(t, "another one", one), withSumOf(t, "the third", one)
	for _, turns := range [][][]byte{
		{one, two},
		{one, one, two, two},
		{one, two, three},
		{one, []byte("one of other length, between them"), two, []byte("one of other sum, which has the same length")},
	} {
		var x parts
		for user := range uint64(50) {
			for i, payload := range turns {
				x.add(shared(user, uint64(i+1), payload))
			}
		}
		x.readBack(t)
	}
	rng := seedOf(t)
	all := [][]byte{one, two, three, []byte("a message that has a sum of its own"), one[:sharedLeast], one[:sharedLeast-1]}
	var x parts
	for seq := range uint64(2_000) {
		x.add(shared(1, seq+1, all[rng.IntN(len(all))]))
	}
	x.readBack(t)
	written := x.full[string(one)]
	if most := x.full[string(all[3])]; written < 50 || written > 400 || most > 100 {
		t.Errorf("one of three with the same sum was written %d times, one by itself %d times", written, most)
	}
}
