package store

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkAppendScanDrop appends one entry, shows it and drops it, as for a device that is there.
func BenchmarkAppendScanDrop(b *testing.B) {
	payload := make([]byte, 100)
	for _, p := range patterns {
		b.Run(p.name, func(b *testing.B) {
			m := NewMailboxes()
			fill(b, m, 100_000, payload, p.where)
			var e Entry
			seen := 0
			see := func(e *Entry, p []byte) bool { seen += len(p); return true }
			seq := uint64(1 << 40)
			b.ReportAllocs()
			for b.Loop() {
				seq++
				user := p.where(int(seq % 100_000))
				e = Entry{Key: Key{User: user, Device: 1, Seq: seq}}
				if err := m.Append(&e, payload); err != nil {
					b.Fatal(err)
				}
				m.Scan(user, 1, 0, see)
				m.Drop(user, 1, seq, nil)
			}
		})
	}
}

// BenchmarkChurn has entries that wait a while: each round appends to a random mailbox of 10,000 and drops all of another, around 100,000 entries.
func BenchmarkChurn(b *testing.B) {
	payload := make([]byte, 100)
	m := NewMailboxes()
	r := rand.New(rand.NewPCG(1, 5))
	seq := uint64(0)
	var e Entry
	step := func() {
		seq++
		e = Entry{Key: Key{User: r.Uint64N(10_000) * 7919, Seq: seq}}
		if err := m.Append(&e, payload); err != nil {
			b.Fatal(err)
		}
		if seq%10 == 0 {
			m.Drop(r.Uint64N(10_000)*7919, 0, seq, nil)
		}
	}
	for range 300_000 {
		step()
	}
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(m.Stats().Entries), "waiting")
}

func BenchmarkFill(b *testing.B) {
	payload := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		m := NewMailboxes()
		fill(b, m, 10_000, payload, patterns[0].where)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/entry")
}
