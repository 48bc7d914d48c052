package server

import (
	"net/netip"
	"sync/atomic"
)

// refusal is why a stranger was sent away.
type refusal uint8

const (
	refusedAddressConnections refusal = iota
	refusedAddressAccepts
	refusedAccepts
	refusedAddressHandshakes
	refusedHandshakes
	refusedProxyFrom
	refusedProxyHeader
	refusalCount
)

// refusalNames are the labels of the metric and the keys in /status.
var refusalNames = [refusalCount]string{
	"address_connections", "address_accepts", "accepts", "address_handshakes", "handshakes", "proxy_from", "proxy_header",
}

// The numbers of the listeners, in the order in which they are opened.
const (
	listenerPublic = iota
	listenerProxy
)

// admission says which strangers may come in, and how often. It is the reactor's doorkeeper, and each loop asks it before a
// handshake. One for the process; any goroutine may call it; it never blocks for longer than another caller takes to count.
//
// What it knows of an address is a cell of a fixed table; the tag of a connection is the cell's index plus one. Address limits are asked
// before those of the process, so that one hostile address can't use up what all others share.
type admission struct {
	connections int64 // open at once from one address; -1: no limit
	accept      pace  // of one address
	handshake   pace  // of one address
	accepts     bucket
	handshakes  bucket
	exempt      []netip.Prefix
	proxyFrom   []netip.Prefix
	now         func() int64 // monotonic, ns

	table    *addressTable
	offences atomic.Uint64
	refused  [refusalCount]atomic.Uint64
}

// newAdmission takes its limits from a valid configuration.
func newAdmission(cfg Config, cells int, seed uint64, now func() int64) (*admission, error) {
	exempt, err := parsePrefixes(cfg.Exempt)
	if err != nil {
		return nil, &ConfigError{"exempt", err.Error()}
	}
	from, err := parsePrefixes(cfg.ProxyFrom)
	if err != nil {
		return nil, &ConfigError{"proxy-from", err.Error()}
	}
	a := &admission{
		connections: int64(cfg.AddressConnections),
		accept:      newPace(cfg.AddressAccepts), handshake: newPace(cfg.AddressHandshakes),
		exempt: exempt, proxyFrom: from, now: now,
		table: newAddressTable(cells, seed),
	}
	a.accepts.pace, a.handshakes.pace = newPace(cfg.Accepts), newPace(cfg.Handshakes)
	return a, nil
}

// Admit implements netpoll.Doorkeeper. A load balancer is let in by where it comes from; whom it brings is admitted when its header is
// read.
func (a *admission) Admit(listener int, remote netip.AddrPort) (tag uint32, ok bool) {
	if listener != listenerProxy {
		return a.admit(remote.Addr())
	}
	if !within(a.proxyFrom, remote.Addr()) {
		return 0, a.refuse(refusedProxyFrom)
	}
	return 0, true
}

// admit counts a new connection of addr. The tag must be left when it is gone; 0: the address is exempt, there is nothing to leave.
func (a *admission) admit(addr netip.Addr) (tag uint32, ok bool) {
	now := a.now()
	if within(a.exempt, addr) {
		if !a.accepts.take(now) {
			return 0, a.refuse(refusedAccepts)
		}
		return 0, true
	}
	h := a.table.hash(addr)
	st := a.table.stripeOf(h & a.table.mask)
	st.mu.Lock()
	defer st.mu.Unlock()
	index := a.table.find(h, st, func(c *cell) bool { return a.idle(c, now) })
	c := &a.table.cells[index]
	if a.connections >= 0 && int64(c.open) >= a.connections {
		return 0, a.refuse(refusedAddressConnections)
	}
	due, ok := a.accept.take(c.accepts, now)
	if !ok {
		return 0, a.refuse(refusedAddressAccepts)
	}
	if !a.accepts.take(now) {
		return 0, a.refuse(refusedAccepts)
	}
	c.accepts = due
	if c.open == 0 {
		st.addresses++
	}
	c.open++
	st.open++
	return index + 1, true
}

// idle says that the cell can be given to another address: nobody is connected and nothing is owed.
func (a *admission) idle(c *cell, now int64) bool {
	return c.open == 0 && a.accept.recovered(c.accepts, now) && a.handshake.recovered(c.handshakes, now)
}

// Leave implements netpoll.Doorkeeper.
func (a *admission) Leave(tag uint32) {
	c, st := a.table.at(tag - 1) // tag 0 becomes an index that no table has
	if c == nil {
		return
	}
	defer st.mu.Unlock()
	if c.open == 0 {
		return // left twice: a fault of ours, which must not give the address four billion connections
	}
	c.open--
	st.open--
	if c.open == 0 {
		st.addresses--
	}
}

// Handshake says whether a connection with that tag may begin one now. A flight that is refused here has cost no cryptography.
func (a *admission) Handshake(tag uint32) bool {
	now := a.now()
	c, st := a.table.at(tag - 1)
	if c == nil {
		return a.handshakes.take(now) || a.refuse(refusedHandshakes)
	}
	defer st.mu.Unlock()
	due, ok := a.handshake.take(c.handshakes, now)
	if !ok {
		return a.refuse(refusedAddressHandshakes)
	}
	if !a.handshakes.take(now) {
		return a.refuse(refusedHandshakes)
	}
	c.handshakes = due
	return true
}

// Offence charges a malformed or forged flight to the address as OffenceHandshakes handshakes.
func (a *admission) Offence(tag uint32) {
	a.offences.Add(1)
	now := a.now()
	c, st := a.table.at(tag - 1)
	if c == nil {
		return
	}
	defer st.mu.Unlock()
	c.handshakes = a.handshake.fine(c.handshakes, now)
}

// refuse counts a refusal. It is false, for the caller to return.
func (a *admission) refuse(why refusal) bool {
	a.refused[why].Add(1)
	return false
}

// within says whether addr lies in one of the prefixes.
func within(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// admissionStats is what admission has counted.
type admissionStats struct {
	addresses int64 // with open connections; those that share a cell count once
	open      int64 // connections of addresses that are not exempt
	shared    uint64
	offences  uint64
	refused   [refusalCount]uint64
}

func (a *admission) stats() admissionStats {
	s := admissionStats{offences: a.offences.Load()}
	for i := range a.table.stripes {
		st := &a.table.stripes[i]
		st.mu.Lock()
		s.addresses += st.addresses
		s.open += st.open
		s.shared += st.shared
		st.mu.Unlock()
	}
	for i := range a.refused {
		s.refused[i] = a.refused[i].Load()
	}
	return s
}
