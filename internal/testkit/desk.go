package testkit

import (
	"slices"

	"trunkline/shard"
	"trunkline/store"
)

// Desk is one loop's side of a Disk: the shard.Disk of its shard.
type Desk struct {
	d       *Disk
	loop    int
	queue   shard.Queue
	turn    uint64 // that is being noted
	last    uint64 // the last one in which something was noted
	noted   store.RecordWriter
	slice   *diskSlice
	durable uint64
	written uint64
	low     uint64 // the first turn that the loop needs of the journal
	news    []*store.News

	toldDurable, toldWritten uint64
	toldStopped              bool
}

// Note implements shard.Disk.
func (k *Desk) Note(r *store.Record) { k.noted.Add(r) }

// Turn implements shard.Disk.
func (k *Desk) Turn() uint64 { return k.turn }

// Durable implements shard.Disk.
func (k *Desk) Durable() uint64 { return k.durable }

// Load implements shard.Disk.
func (k *Desk) Load(l *store.Load) { k.d.loads = append(k.d.loads, diskLoad{k.loop, *l}) }

// WriteBack implements shard.Disk.
func (k *Desk) WriteBack(h *store.Head, above uint64, gone store.SeqRange) (sliceBytes int) {
	if k.slice == nil {
		k.slice = &diskSlice{loop: k.loop}
	}
	b := writtenBox{head: *h, gone: gone}
	k.queue.Scan(h.User, h.Device, above, func(e *store.Entry, payload []byte) bool {
		b.entries = append(b.entries, diskEntry{*e, slices.Clone(payload)})
		return true
	})
	k.slice.boxes = append(k.slice.boxes, b)
	return len(k.slice.boxes) * k.d.w.opts.SliceBytes
}

// News implements shard.Disk.
func (k *Desk) News(f func(n *store.News)) {
	if k.durable > k.toldDurable {
		k.toldDurable = k.durable
		f(&store.News{Kind: store.NewsDurable, Turn: k.durable})
	}
	if k.written > k.toldWritten {
		k.toldWritten = k.written
		f(&store.News{Kind: store.NewsWritten, Turn: k.written})
	}
	if k.toldStopped != k.d.Stopped {
		k.toldStopped = k.d.Stopped
		f(&store.News{Kind: store.NewsTrouble, Stopped: k.toldStopped})
	}
	news := k.news
	k.news = nil
	for _, n := range news {
		f(n)
	}
}

// submit ends the turn.
func (k *Desk) submit(lowWater uint64) {
	lowWater = min(lowWater, k.turn+1)
	if len(k.noted.Bytes()) == 0 && k.slice == nil {
		k.low = min(lowWater, k.turn)
		return
	}
	if b := k.noted.Bytes(); len(b) > 0 {
		k.last = k.turn
		k.d.journal = append(k.d.journal, diskTurn{k.loop, k.turn, b})
		k.noted = store.RecordWriter{}
	}
	if k.slice == nil {
		k.low = lowWater
	} else {
		k.slice.turn, k.slice.needs, k.slice.lowWater = k.turn, k.last, lowWater
		k.d.slices = append(k.d.slices, *k.slice)
		k.slice = nil
	}
	k.turn++
}

// busy says whether the loop has to hear something.
func (k *Desk) busy() bool {
	return k.durable > k.toldDurable || k.written > k.toldWritten || k.toldStopped != k.d.Stopped || len(k.news) > 0
}
