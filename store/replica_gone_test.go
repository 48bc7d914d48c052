package store

import "testing"

// TestWhatARemovedDeviceLeavesIsNoSecondTick: nobody took what waited for a device that was removed, so a start tells no sender that somebody did, be
// the removal in the records alone or on the disk too. What the device had acknowledged before is told.
func TestWhatARemovedDeviceLeavesIsNoSecondTick(t *testing.T) {
	message := func(seq, cseq uint64) *Record {
		return &Record{Kind: RecordAppend, Entry: Entry{Key: Key{User: 7, Device: 1, Seq: seq}, Kind: KindMessage, Peer: 8, Gen: 3, First: cseq, Last: cseq}}
	}
	removed := &Record{Kind: RecordHead, Head: Head{User: 7, Device: 1, Flags: HeadGone, Gen: 2, Last: 3, Acked: 3}}
	for _, row := range []struct {
		name    string
		records []*Record
		want    int
	}{
		{"removed", []*Record{message(1, 1), message(2, 2), message(3, 3), removed}, 0},
		{"acknowledged in part, then removed", []*Record{
			message(1, 1), message(2, 2), {Kind: RecordDrop, Entry: Entry{Key: Key{User: 7, Device: 1, Seq: 1}}}, message(3, 3), removed}, 1},
		{"removed twice over", []*Record{message(1, 1), removed, message(1, 1), removed}, 0},
	} {
		r := NewReplica(nil)
		sender := Record{Kind: RecordHead, Head: Head{User: 8, Gen: 3}}
		for _, rec := range append([]*Record{&sender}, row.records...) {
			if err := r.Apply(rec); err != nil {
				t.Fatal(err)
			}
		}
		told, err := r.TellAgain(2, 100)
		if err != nil || told != row.want {
			t.Errorf("%s: %d senders are told, %v; want %d", row.name, told, err, row.want)
		}
		if b := r.boxes[boxKey{7, 1}]; b.head.Waiting() != 0 || len(b.added) != 0 || b.head.Flags != HeadGone {
			t.Errorf("%s: %+v is left", row.name, b.head)
		}
	}
}
