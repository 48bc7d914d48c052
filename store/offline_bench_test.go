package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func benchOffline(b *testing.B) (*Offline, OfflineOptions) {
	b.Helper()
	options := offlineTestOptions(vfs.Default)
	options.Dir, options.Ballast = b.TempDir(), 1<<20
	o, err := OpenOffline(options)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = o.Close() })
	return o, options
}

func benchMust(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

// fillBench puts mailboxes of some messages of 200 bytes into a store.
func fillBench(b *testing.B, o *Offline, users, messages int) {
	b.Helper()
	batch, payload := o.NewBatch(), make([]byte, 200)
	for user := range uint64(users) {
		batch.PutHead(&Head{User: user, Last: uint64(messages), Counts: Counts{Messages: uint32(messages), Bytes: uint64(200 * messages)}})
		for seq := range uint64(messages) {
			batch.PutEntry(&Entry{Key: Key{User: user, Seq: seq + 1}, Kind: KindMessage}, payload)
		}
		if batch.Bytes() > ReplicaBatchBytes {
			benchMust(b, o.Apply(batch))
			batch.Reset()
		}
	}
	benchMust(b, o.Apply(batch))
	benchMust(b, o.Flush())
}

func BenchmarkOfflineHeads(b *testing.B) {
	o, options := benchOffline(b)
	fillBench(b, o, 200_000, 1)
	for _, row := range []struct {
		name string
		from uint64
	}{{"a cold user", 0}, {"an unknown user", 1 << 40}} {
		b.Run(row.name, func(b *testing.B) {
			benchMust(b, o.Close())
			var err error
			o, err = OpenOffline(options)
			benchMust(b, err)
			rng, heads := rand.New(rand.NewPCG(1, 1)), []Head(nil)
			b.ResetTimer()
			for b.Loop() {
				heads, err = o.Heads(row.from+rng.Uint64N(200_000), heads[:0])
				benchMust(b, err)
			}
		})
	}
	benchMust(b, o.Close())
}

func BenchmarkOfflineEntriesOf100(b *testing.B) {
	o, _ := benchOffline(b)
	fillBench(b, o, 2000, 100)
	rng := rand.New(rand.NewPCG(1, 1))
	b.ResetTimer()
	for b.Loop() {
		n := 0
		benchMust(b, o.Entries(rng.Uint64N(2000), 0, 0, func(*Entry, []byte) bool { n++; return true }))
		if n != 100 {
			b.Fatal(n)
		}
	}
}

func BenchmarkOfflineApplyOf1000Mailboxes(b *testing.B) {
	o, _ := benchOffline(b)
	payload := make([]byte, 200)
	seq := uint64(0)
	for b.Loop() {
		seq++
		batch := o.NewBatch()
		for user := range uint64(1000) {
			batch.DropEntries(user, 0, 0, seq-1)
			batch.PutHead(&Head{User: user, Last: seq})
			batch.PutEntry(&Entry{Key: Key{User: user, Seq: seq}}, payload)
		}
		benchMust(b, o.Apply(batch))
	}
}

// BenchmarkOfflineDrops compares removal by keys with removal by ranges: what it costs, and what the first read costs after each hundred of them.
func BenchmarkOfflineDrops(b *testing.B) {
	for _, size := range []int{1, 10, 1000} {
		for _, keys := range []int{0, 1 << 20} {
			b.Run(fmt.Sprintf("of %d, by keys %v", size, keys > 0), func(b *testing.B) {
				var drops, reads time.Duration
				dropped, read := 0, 0
				for b.Loop() {
					o, _ := benchOffline(b)
					o.dropKeys = keys
					users := 20_000 / size
					fillBench(b, o, users, size)
					for from := 0; from < users; from += 100 {
						batch := o.NewBatch()
						for user := from; user < min(from+100, users); user++ {
							batch.DropEntries(uint64(user), 0, 0, uint64(size))
							dropped++
						}
						start := time.Now()
						benchMust(b, o.Apply(batch))
						drops += time.Since(start)
						start = time.Now()
						benchMust(b, o.Entries(uint64(from), 0, 0, func(*Entry, []byte) bool { return false }))
						reads += time.Since(start)
						read++
					}
					benchMust(b, o.Close())
				}
				b.ReportMetric(float64(drops.Microseconds())/float64(dropped), "us/drop")
				b.ReportMetric(float64(reads.Microseconds())/float64(read), "us/read")
			})
		}
	}
}

// BenchmarkReplay is a journal's tail of a million messages for 100,000 users, some of them acknowledged, onto an empty store
// and to the disk; then the opening.
func BenchmarkReplay(b *testing.B) {
	const messages, users = 1_000_000, 100_000
	payload := make([]byte, 200)
	var apply, write, open time.Duration
	for b.Loop() {
		o, options := benchOffline(b)
		r := NewReplica(o)
		start := time.Now()
		for i := range uint64(messages) {
			k := Key{User: i * 7919 % users, Seq: i + 1}
			benchMust(b, r.Apply(&Record{Kind: RecordAppend, Entry: Entry{Key: k, Kind: KindMessage, Peer: i % users, Gen: 1, First: i}, Payload: payload}))
			if i%20 == 0 {
				benchMust(b, r.Apply(&Record{Kind: RecordDrop, Entry: Entry{Key: Key{User: k.User, Seq: k.Seq}}}))
			}
		}
		apply += time.Since(start)
		start = time.Now()
		benchMust(b, r.WriteTo(o))
		write += time.Since(start)
		benchMust(b, o.Close())
		start = time.Now()
		o, err := OpenOffline(options)
		benchMust(b, err)
		open += time.Since(start)
		benchMust(b, o.Close())
	}
	b.ReportMetric(apply.Seconds()/float64(b.N), "s/apply")
	b.ReportMetric(write.Seconds()/float64(b.N), "s/write")
	b.ReportMetric(open.Seconds()/float64(b.N), "s/open")
}
