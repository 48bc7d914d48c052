package testkit

import (
	"trunkline/shard"
	"trunkline/store"
)

// FaultyQueue is a Queue of which one call panics.
type FaultyQueue struct {
	shard.Queue
	next string
	skip int
}

// Arm has an "append", "replace", "scan", "drop" or "last" panic: the next one after `skip` others of its kind.
func (q *FaultyQueue) Arm(call string, skip int) { q.next, q.skip = call, skip }

func (q *FaultyQueue) fail(call string) {
	if q.next != call {
		return
	}
	if q.skip--; q.skip < 0 {
		q.next = ""
		panic("testkit: injected into " + call)
	}
}

// Append implements shard.Queue.
func (q *FaultyQueue) Append(e *store.Entry, payload []byte) error {
	q.fail("append")
	return q.Queue.Append(e, payload)
}

// AppendShared has one payload for several entries, where the Queue can.
func (q *FaultyQueue) AppendShared(e *store.Entry, of store.Key, lane int) error {
	q.fail("append")
	return q.Queue.(interface {
		AppendShared(e *store.Entry, of store.Key, lane int) error
	}).AppendShared(e, of, lane)
}

// Replace implements shard.Queue.
func (q *FaultyQueue) Replace(e *store.Entry) error {
	q.fail("replace")
	return q.Queue.Replace(e)
}

// Scan implements shard.Queue.
func (q *FaultyQueue) Scan(user uint64, device uint8, after uint64, f func(*store.Entry, []byte) bool) {
	q.fail("scan")
	q.Queue.Scan(user, device, after, f)
}

// Drop implements shard.Queue.
func (q *FaultyQueue) Drop(user uint64, device uint8, upTo uint64, f func(*store.Entry, int)) int {
	q.fail("drop")
	return q.Queue.Drop(user, device, upTo, f)
}

// Last implements shard.Queue.
func (q *FaultyQueue) Last(user uint64, device uint8) (store.Entry, bool) {
	q.fail("last")
	return q.Queue.Last(user, device)
}
