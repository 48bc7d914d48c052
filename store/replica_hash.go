package store

import (
	"encoding/binary"
	"hash/fnv"
)

// Hash is a number that is equal for equal states: all mailboxes that records have named, with what waits in them. A base that can't be read
// makes it 0.
func (r *Replica) Hash() uint64 {
	sum := fnv.New64a()
	var b []byte
	for _, k := range r.sorted() {
		box := r.boxes[k]
		b = binary.BigEndian.AppendUint64(b[:0], k.user)
		b = appendHeadValue(append(b, k.device), &box.head)
		_, _ = sum.Write(b) // never fails
		err := r.eachEntry(box, func(e *Entry, payload []byte) {
			b = binary.BigEndian.AppendUint64(b[:0], e.Seq)
			b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
			b = appendEntryValue(b, e, payload)
			_, _ = sum.Write(b)
		})
		if err != nil {
			return 0
		}
	}
	return sum.Sum64()
}
