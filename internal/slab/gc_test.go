package slab

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// collectorCPU is the CPU time of one forced collection, the mean of ten, while keep is reachable.
func collectorCPU(keep any) time.Duration {
	read := func() float64 {
		m := []metrics.Sample{
			{Name: "/cpu/classes/gc/mark/assist:cpu-seconds"},
			{Name: "/cpu/classes/gc/mark/dedicated:cpu-seconds"},
			{Name: "/cpu/classes/gc/pause:cpu-seconds"},
		}
		metrics.Read(m)
		return m[0].Value.Float64() + m[1].Value.Float64() + m[2].Value.Float64()
	}
	const cycles = 10
	runtime.GC()
	before := read()
	for range cycles {
		runtime.GC()
	}
	after := read()
	runtime.KeepAlive(keep)
	return time.Duration((after - before) / cycles * float64(time.Second))
}

// The collector must find nothing to scan in a full slab: what it scans grows by the directory of chunks alone.
func TestTheCollectorScansOnlyTheDirectory(t *testing.T) {
	scannable := func() uint64 {
		runtime.GC()
		m := []metrics.Sample{{Name: "/gc/scan/heap:bytes"}}
		metrics.Read(m)
		return m[0].Value.Uint64()
	}
	type session [8]uint64
	before := scannable()
	s := NewSlab[session](2_000_000)
	a := NewArena(1 << 30)
	for range 2_000_000 {
		if i, _ := s.Alloc(); i == 0 {
			t.Fatal("full too early")
		}
	}
	for range 200_000 {
		if h, _ := a.Alloc(200); h == 0 {
			t.Fatal("arena full too early")
		}
	}
	grown := int64(scannable()) - int64(before)
	t.Logf("2 M slots and 200,000 blocks: %d bytes held, %d bytes scanned, %v of collector CPU a cycle",
		s.Bytes()+a.Held(), grown, collectorCPU(s))
	// 32 bytes for each chunk, twice for the spare capacity of the directories, and the arena itself.
	chunks := int64(s.held) + a.Held()/arenaChunkBytes
	if grown > 2*48*chunks+64<<10 {
		t.Fatalf("%d bytes to scan for %d chunks", grown, chunks)
	}
	runtime.KeepAlive(a)
}
