package post

import (
	"trunkline/client"
	"trunkline/client/chat/talk"
)

// begin brings history and SDK together after whatever ended the last run, then reports what there is.
func (o *Office) begin() {
	pending, highest, err := o.store.Pending()
	if err == nil {
		o.levels()
		o.resume(pending, highest)
	}
	start, rerr := o.store.Start()
	if err == nil {
		err = rerr
	}
	if err != nil {
		o.tell(talk.Trouble{Err: err})
	}
	o.tell(start)
	o.settle()
}

// levels takes over the ticks that came when the history could not be told.
func (o *Office) levels() {
	numbers, err := o.store.Unsettled(client.SentMax)
	if err != nil {
		o.tell(talk.Trouble{Err: err})
		return
	}
	var news []client.Sent
	for _, n := range numbers {
		if s, ok := o.sdk.Messages.Sent(n); ok && (s.Level > 0 || s.Rejected > 0) {
			news = append(news, s)
		}
	}
	if len(news) > 0 {
		o.firmly(func() error { return o.store.Reconcile(news) })
	}
}

// resume sends lines that the history has and the outbox has not. A crash may have come between the outbox and the history: then the number
// that the line has is above all that the history knows, and goes to the same peer.
func (o *Office) resume(pending []talk.Line, highest uint64) {
	id := highest
	for _, l := range pending {
		l.Local = 0
		if found, ok := o.numbered(l.Peer, id); ok {
			id = found
			o.number(l, found)
			continue
		}
		o.give(l)
	}
}

// numbered finds the first message to a peer above a number.
func (o *Office) numbered(p talk.Peer, above uint64) (uint64, bool) {
	for id := above + 1; id <= above+scanMax; id++ {
		if s, ok := o.sdk.Messages.Sent(id); ok && s.Peer == uint64(p) {
			return id, true
		}
	}
	return 0, false
}
