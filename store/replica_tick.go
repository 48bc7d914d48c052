package store

import (
	"cmp"
	"slices"
)

// KindDelivered is a receipt that tells a sender its message is with the recipient's device: the second tick.
const KindDelivered EntryKind = 0x01

// stream is what one sender's device has sent to one recipient's device in one generation.
type stream struct {
	sender, recipient boxKey
	gen               uint16
}

// span is what is known of a stream: messages first..last were taken by the recipient, and up to told its sender's mailbox was told.
// first 0: nothing was taken.
type span struct {
	first, last, told uint64
}

// tellsSender says whether the sender has a second tick when the entry is acknowledged: it is a message of one device to another. What groups have
// sent is told by them, and nobody acknowledges what lies in a mailbox of the server's own.
func (e *Entry) tellsSender() bool {
	return e.Kind == KindMessage && e.Flags&FlagGroup == 0 && e.Device < DevicePending
}

// tick notes that the recipient has a message.
func (r *Replica) tick(user uint64, device uint8, e *Entry) {
	if r.silent {
		return
	}
	k := stream{sender: boxKey{e.Peer, e.PeerDevice}, recipient: boxKey{user, device}, gen: e.Gen}
	s := r.ticks[k]
	if s.first == 0 || e.First < s.first {
		s.first = e.First
	}
	s.last = max(s.last, e.First)
	r.ticks[k] = s
}

// noteTold notes that a second tick is in the records.
func (r *Replica) noteTold(e *Entry) {
	if e.Kind != KindDelivered || e.Flags&FlagGroup != 0 {
		return
	}
	k := stream{sender: boxKey{e.User, e.Device}, recipient: boxKey{e.Peer, e.PeerDevice}, gen: e.Gen}
	s := r.ticks[k]
	s.told = max(s.told, e.Last)
	r.ticks[k] = s
}

// TellAgain appends second ticks that the records may lack. A recipient's acknowledgement is in them before the tick that follows from it is in its
// sender's mailbox, and the process may have ended between the two. So each sender whose messages were taken according to the records, and
// of whose mailbox they do not say that it was told, is told now, when it still has the generation that has sent them. What is told twice
// changes nothing for a client. The seqs are above owner<<40; a mailbox with TellAgainMax receipts gets no more.
func (r *Replica) TellAgain(owner uint32, nowSec uint32) (receipts int, err error) {
	for _, k := range r.untold() {
		s := r.ticks[k]
		b, err := r.box(k.sender)
		if err != nil {
			return receipts, err
		}
		h := &b.head
		if h.Gen == k.gen && h.Gen != 0 && h.Notices-h.Rejections < TellAgainMax {
			e := Entry{
				Key:  Key{User: k.sender.user, Device: k.sender.device, Seq: max(h.Last, uint64(owner)<<40) + 1},
				Kind: KindDelivered, Peer: k.recipient.user, PeerDevice: k.recipient.device, Gen: k.gen,
				First: max(s.first, s.told+1), Last: s.last, TimeSec: nowSec,
			}
			r.append(b, &e, nil, false)
			receipts++
		} else if b.untouched() {
			delete(r.boxes, k.sender)
		}
	}
	clear(r.ticks)
	return receipts, nil
}

// untold lists the streams whose sender has to be told, in order.
func (r *Replica) untold() []stream {
	var list []stream
	for k, s := range r.ticks {
		if s.first != 0 && s.told < s.last {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b stream) int {
		return cmp.Or(compareBoxes(a.sender, b.sender), compareBoxes(a.recipient, b.recipient), cmp.Compare(a.gen, b.gen))
	})
	return list
}

// untouched says whether no record has named the mailbox and the base does not have it.
func (b *replicaBox) untouched() bool {
	return !b.inBase && b.head == Head{User: b.head.User, Device: b.head.Device}
}
