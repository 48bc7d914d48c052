package store

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// benchRecords are what one message of 200 bytes makes the loops note: it is appended, its sender's mark rises, it is dropped.
func benchRecords(dst []byte, seq uint64, payload []byte) []byte {
	r := Record{Kind: RecordAppend, Payload: payload}
	r.Entry.User, r.Entry.Seq, r.Entry.Kind = seq%1_000_000, seq, KindMessage
	dst = AppendRecord(dst, &r)
	r = Record{Kind: RecordMark, Head: Head{User: seq % 999_983, Mark: seq}}
	dst = AppendRecord(dst, &r)
	r = Record{Kind: RecordDrop}
	r.Entry.User, r.Entry.Seq = seq%1_000_000, seq
	return AppendRecord(dst, &r)
}

// BenchmarkJournal has two loops hand over turns of 16 to 64 messages, each at most benchAhead turns ahead of what is durable. An operation is a
// message that is durable.
func BenchmarkJournal(b *testing.B) {
	for _, dirs := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(dirs), func(b *testing.B) { benchJournal(b, dirs) })
	}
}

const (
	benchLoops = 2
	benchAhead = 64
)

func benchJournal(b *testing.B, dirs int) {
	o := JournalOptions{Loops: benchLoops, FirstRound: 1, Linger: time.Millisecond}
	for i := range dirs {
		o.Dirs = append(o.Dirs, filepath.Join(b.TempDir(), fmt.Sprint(i)))
	}
	news := make([]chan struct{}, benchLoops)
	for i := range news {
		news[i] = make(chan struct{}, 1)
	}
	o.Durable = func(loop int) {
		select {
		case news[loop] <- struct{}{}:
		default:
		}
	}
	j := openTestJournal(b, o)
	payload := make([]byte, 200)
	b.ReportAllocs()
	b.ResetTimer()
	began := time.Now()
	var wg sync.WaitGroup
	for loop := range benchLoops {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(loop)))
			parts, turn := make([][]byte, dirs), uint64(0)
			for left := b.N / benchLoops; left > 0; {
				for i := range parts {
					parts[i] = parts[i][:0]
				}
				n := min(left, 16+rng.IntN(49))
				for range n {
					at := left % dirs
					parts[at] = benchRecords(parts[at], uint64(left), payload)
					left--
				}
				turn++
				j.Submit(loop, turn, parts)
				for turn-j.Durable(loop) > benchAhead {
					<-news[loop]
				}
			}
			for j.Durable(loop) < turn {
				<-news[loop]
			}
		})
	}
	wg.Wait()
	took := time.Since(began).Seconds()
	b.StopTimer()
	s := j.Stats()
	journalMust(b, j.Close())
	b.ReportMetric(float64(b.N)/took, "messages/s")
	b.ReportMetric(float64(s.Bytes)/took/1e6, "MB/s")
	b.ReportMetric(s.Fsync.P50*1e6, "fsync-p50-µs")
	b.ReportMetric(s.Fsync.P99*1e6, "fsync-p99-µs")
	b.ReportMetric(float64(s.Records)/float64(s.Rounds), "bytes/round")
}

// BenchmarkBarePebble writes the same bytes as values of 64 KiB, some at a time, each synced. An operation is a message.
func BenchmarkBarePebble(b *testing.B) {
	for _, atOnce := range []int{2, 16} {
		b.Run(fmt.Sprint(atOnce), func(b *testing.B) { benchBarePebble(b, atOnce) })
	}
}

func benchBarePebble(b *testing.B, atOnce int) {
	db, err := pebble.Open(b.TempDir(), &pebble.Options{FS: vfs.Default, MemTableSize: 64 << 20, Logger: newTrouble(nil)})
	journalMust(b, err)
	payload, value := make([]byte, 200), []byte(nil)
	perValue := 0
	for len(value) < 64<<10 {
		perValue++
		value = benchRecords(value, uint64(perValue), payload)
	}
	b.ResetTimer()
	began := time.Now()
	var wg sync.WaitGroup
	for writer := range atOnce {
		wg.Go(func() {
			for i := range b.N / perValue / atOnce {
				if err := db.Set(fmt.Appendf(nil, "%d/%020d", writer, i), value, pebble.Sync); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began).Seconds()
	b.StopTimer()
	journalMust(b, db.Close())
	b.ReportMetric(float64(b.N)/took, "messages/s")
	b.ReportMetric(float64(b.N)/float64(perValue)*float64(len(value))/took/1e6, "MB/s")
}
