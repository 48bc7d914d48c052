package slab

import (
	"runtime"
	"testing"
)

// million is how many slots the collector is shown.
const million = 1_000_000

func BenchmarkSlabAllocFree(b *testing.B) {
	s := NewSlab[slot](2 * million)
	for range million {
		s.Alloc()
	}
	b.ReportAllocs()
	for b.Loop() {
		i, p := s.Alloc()
		p.a = 1
		s.Free(i)
	}
}

func BenchmarkSlabAt(b *testing.B) {
	s := NewSlab[slot](2 * million)
	for range million {
		s.Alloc()
	}
	b.ReportAllocs()
	var sum uint64
	i := uint32(1)
	for b.Loop() {
		sum += s.At(i).a
		if i += 7919; i > million {
			i -= million
		}
	}
	runtime.KeepAlive(sum)
}

func BenchmarkTableAt(b *testing.B) {
	tab := NewTable[slot](million)
	b.ReportAllocs()
	i := uint32(1)
	for b.Loop() {
		tab.At(i).a++
		if i += 7919; i > million {
			i -= million
		}
	}
}

func BenchmarkArenaAllocFree(b *testing.B) {
	for _, n := range []int{20, 200, 4_000, 60_000} {
		b.Run(sizeName(n), func(b *testing.B) {
			a := NewArena(1 << 30)
			for range 1_000 {
				a.Alloc(n)
			}
			b.ReportAllocs()
			for b.Loop() {
				h, p := a.Alloc(n)
				p[0] = 1
				a.Free(h)
			}
		})
	}
}

func sizeName(n int) string {
	return map[int]string{20: "20B", 200: "200B", 4_000: "4000B", 60_000: "60000B"}[n]
}

// BenchmarkCollection is one forced collection, as CPU time of the collector, beside a number of slots of 64 bytes.
func BenchmarkCollection(b *testing.B) {
	type session [8]uint64
	for _, c := range []struct {
		name  string
		slots int
	}{{"empty", 0}, {"1M", million}, {"2M", 2 * million}} {
		b.Run(c.name, func(b *testing.B) {
			s := NewSlab[session](2 * million)
			for range c.slots {
				_, p := s.Alloc()
				p[0] = 1
			}
			runtime.GC()
			for b.Loop() {
				runtime.GC()
			}
			b.ReportMetric(float64(collectorCPU(s).Microseconds()), "gc-cpu-us/cycle")
		})
	}
}
