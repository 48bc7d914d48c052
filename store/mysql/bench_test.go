package mysql

import (
	"sync/atomic"
	"testing"
)

// BenchmarkRegister is what a first login writes: device, token and revocation, durable.
func BenchmarkRegister(b *testing.B) {
	a := benchAccounts(b)
	var user atomic.Uint64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			must(b, a.Apply(generation(user.Add(1), 1)))
		}
	})
}

// BenchmarkRegisterOneAfterTheOther is the same without company.
func BenchmarkRegisterOneAfterTheOther(b *testing.B) {
	a := benchAccounts(b)
	for user := range uint64(b.N) {
		must(b, a.Apply(generation(user, 1)))
	}
}

// BenchmarkDevice is what a login of a known device reads.
func BenchmarkDevice(b *testing.B) {
	a := benchAccounts(b)
	must(b, a.Apply(generation(7, 1)))
	for b.Loop() {
		_, err := a.Device(7, 0)
		must(b, err)
	}
}

// BenchmarkPlacement is how long it takes to find a user's shard.
func BenchmarkPlacement(b *testing.B) {
	p := placement{shards: 3}
	for user := range uint64(b.N) {
		p.shard(user)
	}
}

func benchAccounts(b *testing.B) *Accounts {
	o := options{pace: defaultPace, wait: lockWait, limits: limits{tokens: 1 << 40, revocations: 1 << 40}}
	a := opened(b, places(b, server(b), 1), o)
	b.ResetTimer()
	return a
}
