package tuning

import (
	"math/bits"
	"slices"
)

// Limits is the table of an operating system: every limit that matters to a server of many connections, in an order in which they can
// be set (FreeBSD refuses more sockets than files, for one). The slice is the caller's.
func Limits(os OS) []Limit {
	switch os {
	case FreeBSD:
		return slices.Clone(freebsdLimits)
	case Linux:
		return slices.Clone(linuxLimits)
	}
	return nil
}

// Rules of a whole value.
var (
	atLeast = [ValueNumbersMax]Rule{AtLeast, AtLeast, AtLeast}
	atMost  = [ValueNumbersMax]Rule{AtMost, AtMost, AtMost}
)

// fixed is the need of a limit that is the same for all loads.
func fixed(n int64) func(Load, Machine) Value {
	return func(Load, Machine) Value { return Number(n) }
}

// many is a need of loads of manyConnections and more.
func many(n int64) func(Load, Machine) Value {
	return func(l Load, _ Machine) Value {
		if l.sockets() < manyConnections {
			return Value{}
		}
		return Number(n)
	}
}

// needFiles is for all processes: what this load opens, and what the rest of the system has open at least.
func needFiles(l Load, _ Machine) Value {
	return Number(l.sockets() + DescriptorReserve + filesOfSystem)
}

// suggestFiles is a quarter more than the connections.
func suggestFiles(l Load, _ Machine) Value { return Number(l.sockets() + l.sockets()/4 + filesReserve) }

// suggestFilesOfProcess is a sixth more: less than suggestFiles, so that the process can't starve the others.
func suggestFilesOfProcess(l Load, _ Machine) Value {
	return Number(l.sockets() + l.sockets()/6 + DescriptorReserve)
}

func needDescriptors(l Load, _ Machine) Value { return Number(l.sockets() + DescriptorReserve) }

func needSockets(l Load, _ Machine) Value { return Number(l.sockets() + DescriptorReserve) }

// suggestSockets has 4 % to spare for those that are being opened or closed.
func suggestSockets(l Load, _ Machine) Value { return Number(l.sockets() + l.sockets()/25 + 1024) }

func needAcceptQueue(l Load, _ Machine) Value {
	least := min(max(powerOfTwo(l.Connections), acceptQueueFew), acceptQueueMin) // all of few at once
	return Number(min(max(powerOfTwo(l.AcceptPerSecond*acceptPauseMs/1000), least), acceptQueueMax))
}

func halfOpen(l Load) int64 { return l.AcceptPerSecond * halfOpenSeconds }

func needHalfOpen(l Load, _ Machine) Value {
	return Number(max(powerOfTwo(halfOpen(l)), acceptQueueMin))
}

// needHashBuckets is a bucket for each four connections, as FreeBSD sizes the table for the sockets it was told of.
func needHashBuckets(l Load, _ Machine) Value { return Number(hashBuckets(l)) }

func hashBuckets(l Load) int64 {
	return min(max(powerOfTwo(l.sockets()/hashConnectionsPerBucket), hashBucketsMin), hashBucketsMax)
}

func needSyncacheBuckets(l Load, _ Machine) Value { return Number(syncacheBuckets(l)) }

func syncacheBuckets(l Load) int64 { return max(powerOfTwo(halfOpen(l)/syncacheBucketFill), 512) }

func needSyncacheEntries(l Load, _ Machine) Value {
	return Number(syncacheBuckets(l) * syncacheBucketLimit)
}

func needHostcacheEntries(l Load, _ Machine) Value {
	if l.sockets() < hostcacheConnectionsMin {
		return Value{}
	}
	return Number(hostcacheEntries(l))
}

// hostcacheEntries is the power of two not above a sixteenth of the connections.
func hostcacheEntries(l Load) int64 { return powerOfTwo(l.sockets()/hostcacheShare+1) / 2 }

func needHostcacheBuckets(l Load, _ Machine) Value {
	if l.sockets() < hostcacheConnectionsMin {
		return Value{}
	}
	return Number(max(hostcacheEntries(l)/32, 512))
}

func needHostcacheBucketLimit(l Load, _ Machine) Value {
	if l.sockets() < hostcacheConnectionsMin {
		return Value{}
	}
	return Number(hostcacheBucketLimit)
}

// clusters is what stalled clients keep and the receive rings of a network card with a queue for each core.
func clusters(l Load, m Machine) int64 {
	return l.stalled()*ceilDiv(l.SendBufferBytes, clusterBytes) + int64(m.Cores)*ringClusters + filesOfSystem
}

func needClusters(l Load, m Machine) Value { return Number(clusters(l, m)) }

// needMbufs is one for each cluster and as many without: small messages and headers need none.
func needMbufs(l Load, m Machine) Value { return Number(2 * clusters(l, m)) }

func needMbufBytes(l Load, m Machine) Value {
	return Number(clusters(l, m) * (clusterBytes + 2*mbufBytes))
}

// twice is for what a bad day doubles.
func twice(need func(Load, Machine) Value) func(Load, Machine) Value {
	return func(l Load, m Machine) Value {
		v := need(l, m)
		for i := range v.Numbers {
			v.Numbers[i] *= 2
		}
		return v
	}
}

func needKernelBytes(l Load, m Machine) Value { return Number(kernelBytes(Memory(l, m, nil))) }

func needSockbuf(l Load, _ Machine) Value {
	return Number(2 * max(l.SendBufferBytes, l.ReceiveBufferBytes))
}

// needReserved: FreeBSD counts the size of both buffers of a socket against its user, used or not.
func needReserved(l Load, _ Machine) Value {
	return Number(l.sockets() * (l.SendBufferBytes + l.ReceiveBufferBytes))
}

func needKqueues(l Load, _ Machine) Value { return Number(int64(l.Loops) + 8) }

func needThreads(l Load, m Machine) Value { return Number(int64(l.Loops) + 4*int64(m.Cores) + 256) }

func needTimeWait(l Load, _ Machine) Value {
	return Number(max(l.sockets()/timeWaitShare, filesReserve))
}

func needOrphans(l Load, _ Machine) Value {
	return Number(max(l.sockets()/orphanShare, filesReserve))
}

func needClock(_ Load, m Machine) Value {
	if m.Arch == "amd64" {
		return Word("TSC-low")
	}
	return Value{}
}

func needSendSpace(l Load, _ Machine) Value { return Number(l.SendBufferBytes) }

func needReceiveSpace(l Load, _ Machine) Value { return Number(l.ReceiveBufferBytes) }

func needBufferMax(l Load, _ Machine) Value {
	if l.sockets() < manyConnections {
		return Value{}
	}
	return Number(max(bufferMaxBytes, l.SendBufferBytes, l.ReceiveBufferBytes))
}

// portsEach is how many ports one local address must have: a port is used once for each address and port that it connects to, and a
// load generator connects to one.
func portsEach(l Load) int64 {
	return min(ceilDiv(l.Outbound, int64(max(l.OutboundAddresses, 1)))+portReserve, portLast-portFirstMin+1)
}

func needPortFirst(l Load, _ Machine) Value {
	if l.Outbound == 0 {
		return Value{}
	}
	return Number(portLast + 1 - portsEach(l))
}

func needPortLast(l Load, _ Machine) Value {
	if l.Outbound == 0 {
		return Value{}
	}
	return Number(portLast)
}

func needPortRange(l Load, _ Machine) Value {
	if l.Outbound == 0 {
		return Value{}
	}
	return List(portLast+1-portsEach(l), portLast)
}

// needSocketPages is what the sockets of stalled clients hold: the pressure begins above it, and the end is half as much again. What waits
// is counted with its overhead, about as much again; an idle socket counts nothing.
func needSocketPages(l Load, m Machine) Value {
	pages := ceilDiv(linuxBufferFactor*l.stalled()*l.SendBufferBytes, m.PageBytes) + filesReserve
	return List(pages*3/4, pages, pages+pages/2)
}

// needBufferRange is the third number of tcp_rmem and tcp_wmem.
func needBufferRange(l Load, m Machine) Value {
	v := needBufferMax(l, m)
	if v.None() {
		return v
	}
	return List(0, 0, v.Numbers[0])
}

func needTracked(l Load, _ Machine) Value {
	return Number(l.sockets() + l.sockets()/4 + 120*min(l.AcceptPerSecond, AcceptPerSecondMax))
}

func needReuse(l Load, _ Machine) Value {
	if l.Outbound == 0 {
		return Value{}
	}
	return Number(1)
}

// needMaps: the Go runtime's heap is a few mappings for each 64 MiB; huge pages that are switched on and off piecewise multiply them.
func needMaps(l Load, m Machine) Value {
	return Number(max(Memory(l, m, nil).ours()/(2<<20)*4, mapsMin))
}

// powerOfTwo is the smallest that is not below n.
func powerOfTwo(n int64) int64 {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len64(uint64(n-1))
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
