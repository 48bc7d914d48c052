package server

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// attackAddresses is how many addresses of one bucket the attacker collects: 16 times what the bucket has cells for.
const attackAddresses = 16 * cellWays

// chosen collects addresses that meet in bucket 0 of a table with the attacker's seed: who knows the code can do that at home.
func chosen(make func(i uint64) netip.Addr, seed uint64) []netip.Addr {
	table := addressTable{seed: seed, mask: AddressCells/cellWays - 1} // without cells
	var addrs []netip.Addr
	for i := uint64(0); len(addrs) < attackAddresses; i++ {
		if addr := make(i); table.hash(addr)&table.mask == 0 {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// spread says how addresses fall into a table with that seed: the fullest bucket, and how many pairs meet.
func spread(addrs []netip.Addr, seed uint64) (fullest, pairs int) {
	table := addressTable{seed: seed, mask: AddressCells/cellWays - 1} // without cells
	buckets := map[uint64]int{}
	for _, addr := range addrs {
		b := table.hash(addr) & table.mask
		pairs += buckets[b]
		buckets[b]++
		fullest = max(fullest, buckets[b])
	}
	return fullest, pairs
}

func ipv4(i uint64) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(i))))
}

// ipv6 is one address of the i-th /64 of a /32, which a provider hands to whoever asks.
func ipv6(i uint64) netip.Addr {
	raw := [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}
	binary.BigEndian.PutUint32(raw[4:], uint32(i))
	return netip.AddrFrom16(raw)
}

// TestChosenAddressesCollideNoMoreThanRandomOnes gives the attacker the code, but not the seed. The seeds are fixed, so that the figures are
// the same each time: over all of them, 64 chosen addresses meet as often as 64 random ones do, which is 2,016 pairs over 16,384 buckets.
func TestChosenAddressesCollideNoMoreThanRandomOnes(t *testing.T) {
	const seeds, guess = 2_000, 0
	for _, row := range []struct {
		name string
		make func(uint64) netip.Addr
	}{{"IPv4", ipv4}, {"IPv6", ipv6}} {
		t.Run(row.name, func(t *testing.T) {
			attack := chosen(row.make, guess)
			if fullest, pairs := spread(attack, guess); fullest != attackAddresses || pairs != attackAddresses*(attackAddresses-1)/2 {
				t.Fatalf("against a table with the seed that the attacker knows %d of %d meet: the attack is no attack", fullest, attackAddresses)
			}
			random := rand.New(rand.NewPCG(1, 2))
			var some []netip.Addr
			for range attackAddresses {
				some = append(some, row.make(uint64(random.Uint32())))
			}
			attacked, byChance, fullest := 0, 0, 0
			for range seeds {
				seed := random.Uint64() | 1 // not the attacker's
				f, a := spread(attack, seed)
				_, b := spread(some, seed)
				attacked, byChance, fullest = attacked+a, byChance+b, max(fullest, f)
			}
			// 246 pairs are expected in 2,000 tables, with a standard deviation of 16: six of them are 94.
			const expected, within = seeds * (attackAddresses * (attackAddresses - 1) / 2) / (AddressCells / cellWays), 94
			t.Logf("pairs that meet: %d chosen, %d random, %d expected; fullest bucket %d", attacked, byChance, expected, fullest)
			if attacked > expected+within || byChance > expected+within || fullest > cellWays {
				t.Errorf("%d pairs of chosen addresses meet, %d of random ones, %d are expected; the fullest bucket has %d",
					attacked, byChance, expected, fullest)
			}
		})
	}
}

// TestAFloodOfChosenAddressesDoesNotReachAnotherOne plays the attack against the whole of admission: with the seed known, everybody in the
// bucket shares the attackers' limits; with a seed drawn for the process, nobody does.
func TestAFloodOfChosenAddressesDoesNotReachAnotherOne(t *testing.T) {
	const known = 0
	attack := chosen(ipv6, known)
	victim := attack[len(attack)-1]
	for _, row := range []struct {
		seed   uint64
		served bool
	}{{known, false}, {0x9E3779B97F4A7C15, true}, {2, true}} {
		t.Run(fmt.Sprintf("seed %x", row.seed), func(t *testing.T) {
			e := newEntrance(t, AddressCells, func(c *Config) { c.AddressConnections = 10 })
			e.table.seed = row.seed
			for _, addr := range attack[:len(attack)-1] {
				for range 10 {
					e.admit(addr)
				}
			}
			if _, ok := e.admit(victim); ok != row.served {
				t.Errorf("another address is served: %v", ok)
			}
		})
	}
}

// BenchmarkAdmission measures what a connection costs in admission, with all limits in force and the process's clock.
func BenchmarkAdmission(b *testing.B) {
	cfg := Config{AddressAccepts: Rate{PerSecond: RateMax, Burst: RateMax}}
	cfg.Accepts, cfg.AddressHandshakes, cfg.Handshakes = cfg.AddressAccepts, cfg.AddressAccepts, cfg.AddressAccepts
	cfg.AddressConnections = ConnectionsMax
	a, err := newAdmission(cfg.withDefaults(), AddressCells, 1, monotonicFrom(time.Now()))
	if err != nil {
		b.Fatal(err)
	}
	addrs := make([]netip.AddrPort, 1<<12)
	for i := range addrs {
		addrs[i] = netip.AddrPortFrom(ipv6(uint64(i*77)), 1)
	}
	b.Run("admit and leave", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			tag, _ := a.Admit(listenerPublic, addrs[i%len(addrs)])
			a.Leave(tag)
		}
	})
	b.Run("admit and leave on all processors", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				tag, _ := a.Admit(listenerPublic, addrs[i%len(addrs)])
				a.Leave(tag)
			}
		})
	})
	b.Run("admit", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			a.Admit(listenerPublic, addrs[i%len(addrs)])
		}
	})
	tag, _ := a.Admit(listenerPublic, addrs[0])
	b.Run("handshake", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			a.Handshake(tag)
		}
	})
}
