package server

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"

	"github.com/pires/go-proxyproto"

	"trunkline/netpoll"
)

// proxyHeadBytes is what every PROXY v2 header begins with: 12 bytes that no other protocol sends, version and command, family, and the
// length of the rest.
const proxyHeadBytes = 16

// proxyHeader reads the PROXY protocol v2 header at the start of b. source is whom the load balancer brings; zero: itself (LOCAL, a
// health check). used is the header's length. more: b is right so far, but not whole.
// Errors: ErrProxyHeader for anything else, as soon as it is seen: version 1, garbage, more than ProxyHeaderBytesMax, addresses that are
// not of TCP (UNSPEC, datagrams, Unix sockets). TLVs are skipped.
// Source: the PROXY protocol, section 2.2.
func proxyHeader(b []byte) (source netip.AddrPort, used int, more bool, err error) {
	if n := min(len(b), len(proxyproto.SIGV2)); !bytes.Equal(b[:n], proxyproto.SIGV2[:n]) {
		return source, 0, false, fmt.Errorf("%w: no signature of version 2", ErrProxyHeader)
	}
	if len(b) < proxyHeadBytes {
		return source, 0, true, nil
	}
	used = proxyHeadBytes + int(b[14])<<8 + int(b[15])
	if used > ProxyHeaderBytesMax {
		return source, 0, false, fmt.Errorf("%w: %d bytes, at most %d", ErrProxyHeader, used, ProxyHeaderBytesMax)
	}
	if len(b) < used {
		return source, 0, true, nil
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b[:used]), proxyHeadBytes))
	if err != nil {
		return source, 0, false, fmt.Errorf("%w: %w", ErrProxyHeader, err)
	}
	if h.Command.IsLocal() {
		return source, used, false, nil
	}
	from, _, ok := h.TCPAddrs()
	if !ok {
		return source, 0, false, fmt.Errorf("%w: the source is no TCP address", ErrProxyHeader)
	}
	addr := from.AddrPort()
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), used, false, nil
}

// proxyDoor is one loop's share of the listener for load balancers: it takes the header off a connection before anybody else sees its
// bytes. It belongs to the loop's goroutine. A connection that has been moved has its header behind it.
//
// Whoever has sent no whole header within the login timeout is closed by the session that waits behind it.
type proxyDoor struct {
	loop      *netpoll.Loop
	admission *admission
	waiting   map[netpoll.ConnID]bool // connections whose header is due; true: some of it has come. At most one each
}

func newProxyDoor(l *netpoll.Loop, a *admission) *proxyDoor {
	return &proxyDoor{loop: l, admission: a, waiting: map[netpoll.ConnID]bool{}}
}

// opened notes that a header is due.
func (p *proxyDoor) opened(id netpoll.ConnID, info netpoll.OpenInfo) {
	if info.Listener == listenerProxy {
		p.waiting[id] = false
	}
}

// data takes the header, if one is due. used is how much of b that was; enter is false when nothing of the rest is for the session.
func (p *proxyDoor) data(id netpoll.ConnID, b []byte) (used int, enter bool) {
	if len(p.waiting) == 0 {
		return 0, true
	}
	if _, due := p.waiting[id]; !due {
		return 0, true
	}
	source, used, more, err := proxyHeader(b)
	switch {
	case more:
		p.waiting[id] = true
		return 0, false
	case err != nil:
		p.refuse(id)
		return len(b), false
	}
	delete(p.waiting, id)
	if !p.admit(id, source.Addr()) {
		p.loop.Close(id)
		return len(b), false
	}
	return used, len(b) > used
}

// admit puts the connection under the limits of the address that the header names, or of the balancer's own.
func (p *proxyDoor) admit(id netpoll.ConnID, source netip.Addr) bool {
	if !source.IsValid() {
		source = p.loop.RemoteOf(id).Addr()
	}
	tag, ok := p.admission.admit(source)
	if ok && !p.loop.SetTag(id, tag) {
		p.admission.Leave(tag)
	}
	return ok
}

// refuse closes a connection whose header is none.
func (p *proxyDoor) refuse(id netpoll.ConnID) {
	delete(p.waiting, id)
	p.admission.refuse(refusedProxyHeader)
	p.loop.Close(id)
}

// closed forgets a connection. One that ends in the middle of its header is counted; one that has said nothing is a load balancer that
// looks whether somebody listens.
func (p *proxyDoor) closed(id netpoll.ConnID) {
	if begun, due := p.waiting[id]; due {
		delete(p.waiting, id)
		if begun {
			p.admission.refuse(refusedProxyHeader)
		}
	}
}
