package post

import (
	"errors"

	"trunkline/client"
	"trunkline/client/chat/talk"
	"trunkline/codec"
)

// do does one task.
func (o *Office) do(t talk.Task) {
	switch t := t.(type) {
	case talk.Write:
		o.write(t)
	case talk.Send:
		o.send(t.Line)
	case talk.See:
		if o.firmly(func() error { return o.store.See(t.Peer) }) {
			o.settle()
		}
	case talk.Load:
		page, err := o.store.Page(t)
		if err != nil {
			o.tell(talk.Trouble{Err: err})
		}
		o.tell(page)
	case talk.Find:
		lines, err := o.store.Find(t.Text)
		o.tell(talk.Found{Text: t.Text, Lines: lines, Err: err})
	case talk.Forget:
		o.firmly(func() error { return o.store.Forget(t.Peer) })
	case talk.Watch:
		// What these answer is about a client that ended, which an event says, and of limits that the model keeps.
		_ = o.sdk.Presence.Unsubscribe(o.ctx, t.Drop...)
		_ = o.sdk.Presence.Subscribe(o.ctx, t.Add...)
	case talk.Typing:
		_ = o.sdk.Presence.Typing(o.ctx, uint64(t.Peer), t.State)
	case talk.Active:
		_ = o.sdk.Presence.SetActive(t.Yes)
	}
}

// firmly calls f until the disk takes it, and reports trouble meanwhile. False: the office ends.
func (o *Office) firmly(f func() error) bool {
	for {
		err := f()
		if err == nil {
			if o.failing {
				o.failing = false
				o.tell(talk.Trouble{})
			}
			return true
		}
		o.failing = true
		o.tell(talk.Trouble{Err: err})
		o.mu.Lock()
		closing := o.closing
		o.mu.Unlock()
		if closing || o.ctx.Err() != nil {
			o.cancel() // what is behind it must not overtake it
			return false
		}
		o.wait(o.ctx, retryAfter)
	}
}

// write keeps a burst, then acknowledges it: what the history does not have the server keeps.
func (o *Office) write(w talk.Write) {
	var kept []talk.Line
	var moved []talk.Moved
	ok := o.firmly(func() (err error) {
		kept, moved, err = o.store.Write(&w)
		return err
	})
	if !ok {
		return
	}
	if w.Ack != nil {
		_ = o.sdk.Messages.Ack(*w.Ack) // a client that ended has said so; the message comes again and is recognised
	}
	if len(kept) > 0 {
		o.tell(talk.Kept{Lines: kept})
	}
	for _, m := range moved {
		o.tell(m)
	}
	for i := range kept {
		if kept[i].Seen == talk.SeenOwed {
			o.settle()
			return
		}
	}
}

// send keeps an own line, puts it into the outbox, and notes its number.
func (o *Office) send(l talk.Line) {
	ok := o.firmly(func() (err error) {
		l.Row, err = o.store.Plan(&l)
		return err
	})
	if ok {
		o.give(l)
	}
}

// give puts a line of the history into the outbox.
func (o *Office) give(l talk.Line) {
	id, err := o.post(&l)
	if err != nil {
		if o.firmly(func() error { return o.store.Remove(l.Row) }) {
			o.tell(talk.Sent{Line: l, Err: err})
		}
		return
	}
	o.number(l, id)
}

func (o *Office) post(l *talk.Line) (uint64, error) {
	if l.Peer.IsGroup() {
		return o.sdk.Messages.SendGroup(o.ctx, uint64(l.Peer), []byte(l.Text))
	}
	return o.sdk.Messages.Send(o.ctx, uint64(l.Peer), []byte(l.Text))
}

// number notes the number of a line that is in the outbox, and how far it came.
func (o *Office) number(l talk.Line, id uint64) {
	l.Cseq = id
	if s, ok := o.sdk.Messages.Sent(id); ok {
		l.Level, l.Code = s.Level, codec.ErrorCode(s.Rejected)
	}
	if o.firmly(func() error { return o.store.Number(l.Row, l.Cseq, l.Level, l.Code) }) {
		o.tell(talk.Sent{Line: l})
	}
}

// settle hands the read receipts that are owed to the outbox.
func (o *Office) settle() {
	for {
		owed, err := o.store.Owed(owedMax)
		if err != nil {
			o.tell(talk.Trouble{Err: err})
			return
		}
		var told []int64
		for _, r := range receipts(owed) {
			err := o.sdk.Messages.ReadEarlier(o.ctx, r.first, r.last)
			if err != nil && !errors.Is(err, client.ErrUnknownMessage) { // that one will never be taken
				break // the outbox is full: the rest is owed until the next time
			}
			told = append(told, r.rows...)
		}
		ok := o.firmly(func() error { return o.store.Told(told) })
		if !ok || len(told) < len(owed) || len(owed) < owedMax {
			return
		}
	}
}

// receipt is one read receipt and the rows that it is for.
type receipt struct {
	first, last client.Message
	rows        []int64
}

// receipts makes as few receipts as say that lines were read: one for each run of a stream, one for each group. Lines are in the order of
// conversations and rows, and all before them of their conversations were seen.
func receipts(owed []talk.Line) []receipt {
	var list []receipt
	for i := range owed {
		l := &owed[i]
		m := client.Message{From: l.From, Device: l.Device, Gen: l.Gen, ID: l.ID, GroupSeq: l.GroupSeq}
		if l.Peer.IsGroup() {
			m.Group = uint64(l.Peer)
		}
		if n := len(list); n > 0 && follows(&list[n-1].last, &m) {
			list[n-1].last = m
			list[n-1].rows = append(list[n-1].rows, l.Row)
			continue
		}
		list = append(list, receipt{first: m, last: m, rows: []int64{l.Row}})
	}
	return list
}

// follows says whether one receipt can cover both.
func follows(a, b *client.Message) bool {
	if a.Group != 0 || b.Group != 0 {
		return a.Group == b.Group && a.GroupSeq < b.GroupSeq
	}
	return a.From == b.From && a.Device == b.Device && a.Gen == b.Gen && a.ID < b.ID
}
