package tuning

import "fmt"

// Complete checks a load and fills what is left at zero with what this machine suggests. Connections of 0 is an error,
// unless the load only opens connections itself. Errors: ErrLoad.
func (l Load) Complete(m Machine) (Load, error) {
	if err := l.valid(); err != nil {
		return l, err
	}
	return l.filled(m), nil
}

func (l Load) valid() error {
	rows := []struct {
		name       string
		value      int64
		least, max int64
	}{
		{"connections", l.Connections, 0, ConnectionsMax},
		{"outbound connections", l.Outbound, 0, ConnectionsMax},
		{"connections and outbound connections together", min(l.Connections, ConnectionsMax) + min(l.Outbound, ConnectionsMax), 1, ConnectionsMax},
		{"loops", int64(l.Loops), 0, LoopsMax},
		{"send buffer bytes", l.SendBufferBytes, 0, BufferBytesMax},
		{"receive buffer bytes", l.ReceiveBufferBytes, 0, BufferBytesMax},
		{"accepts a second", l.AcceptPerSecond, 0, AcceptPerSecondMax},
		{"stalled clients of a thousand", l.StalledPerMille, -1, 1000},
		{"outbound addresses", int64(l.OutboundAddresses), 0, OutboundAddressesMax},
		{"memory of a thousand", l.MemoryPerMille, 0, 1000},
	}
	for _, r := range rows {
		if r.value < r.least || r.value > r.max {
			return fmt.Errorf("tuning: %w: %s is %d, and must be %d to %d", ErrLoad, r.name, r.value, r.least, r.max)
		}
	}
	return nil
}

// filled is l with its zeros replaced.
func (l Load) filled(m Machine) Load {
	fill(&l.Loops, min(m.Cores, LoopsMax))
	fill(&l.SendBufferBytes, SendBufferBytesDefault)
	fill(&l.ReceiveBufferBytes, ReceiveBufferBytesDefault)
	fill(&l.AcceptPerSecond, min(max(l.Connections/StormSeconds, 1), AcceptPerSecondMax))
	fill(&l.StalledPerMille, StalledPerMilleDefault)
	fill(&l.OutboundAddresses, 1)
	fill(&l.MemoryPerMille, MemoryPerMilleDefault)
	return l
}

func fill[T int | int64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// sockets is all connections, whoever opens them.
func (l Load) sockets() int64 { return l.Connections + l.Outbound }

// stalled is how many connections have full buffers.
func (l Load) stalled() int64 { return l.sockets() * max(l.StalledPerMille, 0) / 1000 }

// valid says whether a machine's description can be reckoned with. Errors: ErrMachine.
func (m Machine) valid() error {
	switch {
	case m.OS != FreeBSD && m.OS != Linux:
		return fmt.Errorf("tuning: %w: %w: no limits are known of this operating system", ErrMachine, ErrUnsupported)
	case m.Cores < 1:
		return fmt.Errorf("tuning: %w: it says that it has %d cores", ErrMachine, m.Cores)
	case m.MemoryBytes < 1:
		return fmt.Errorf("tuning: %w: it says that it has %d bytes of memory", ErrMachine, m.MemoryBytes)
	case m.PageBytes < PageBytesMin || m.PageBytes > PageBytesMax:
		return fmt.Errorf("tuning: %w: it says that a page has %d bytes", ErrMachine, m.PageBytes)
	}
	return nil
}
