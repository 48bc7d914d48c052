package netpoll

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Doorkeeper says which accepted connections may stay, and hears when they are gone: Config.Doorkeeper.
//
// Admit is called right after accept, on whichever loop accepts; Leave on whichever loop the connection ends, or on the
// goroutine that ends the reactor. So both are called concurrently. Neither may block, panic or call the reactor.
//
// A tag is four bytes that stay with the connection wherever it goes: the doorkeeper's own name for it, so that it needs no
// table from connections to what it counts. Tag 0 means none. For each connection that ends with a tag other than 0 Leave(tag)
// comes exactly once, however it ends: closed by either side, lost between two loops, or with the reactor; after its OnClose if
// there is one.
type Doorkeeper interface {
	Admit(listener int, remote netip.AddrPort) (tag uint32, ok bool)
	Leave(tag uint32)
}

// Tag is the connection's tag; 0 when it has none or is not here.
func (l *Loop) Tag(id ConnID) uint32 {
	if s := l.lookup(id); s != nil {
		return s.tag
	}
	return 0
}

// SetTag gives the connection another tag, which from now on is the one that Leave gets. The old one is not left: it belongs to the
// caller again. False: the connection is not here any more, and the new tag stays the caller's too. An adopted connection has tag 0 until
// this is called, so SetTag is also how a handler hands over what it has admitted by itself.
func (l *Loop) SetTag(id ConnID, tag uint32) bool {
	s := l.lookup(id)
	if s == nil {
		return false
	}
	s.tag = tag
	return true
}

// RemoteOf asks the system for the other end's address; zero when the connection is not here or its peer is gone. One system
// call: for log lines and for what happens once in a connection's life.
func (l *Loop) RemoteOf(id ConnID) netip.AddrPort {
	if s := l.lookup(id); s != nil {
		return peerOf(int(s.fd))
	}
	return netip.AddrPort{}
}

// admitted asks the doorkeeper.
func (l *Loop) admitted(listener int, remote netip.AddrPort) (tag uint32, ok bool) {
	if l.r.cfg.Doorkeeper == nil {
		return 0, true
	}
	return l.r.cfg.Doorkeeper.Admit(listener, remote)
}

// sendAway closes a connection that the doorkeeper does not want, with a reset: whoever sends a FIN first keeps the connection in
// TIME_WAIT for a minute, so a flood of 20,000 refusals a second would leave this machine 1.2 million of them to hold.
func (l *Loop) sendAway(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // without it close(2) sends a FIN
	_ = unix.Close(fd)
	l.meters[meterAdmitRefused]++
}
