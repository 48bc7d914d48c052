package bench

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
)

// readPortFacts looks at this host's addresses and ports towards a server.
func readPortFacts(server string, base netip.Addr) (PortFacts, error) {
	f := PortFacts{System: runtime.GOOS, Descriptors: descriptorsFor(), AliasBase: base}
	var err error
	if f.Low, f.High, f.Source, err = portRange(); err != nil {
		return f, fmt.Errorf("%w: the range of ports: %w", ErrGenerator, err)
	}
	own, err := ownAddress(server)
	if err != nil {
		return f, err
	}
	f.Loopback = own.IsLoopback()
	f.Interface, f.Addresses, err = addressesBeside(own)
	if err != nil {
		return f, fmt.Errorf("%w: the addresses of this host: %w", ErrGenerator, err)
	}
	return f, nil
}

// ownAddress is the address from which this host would speak to a server. Nothing is sent: connect(2) of a UDP socket asks the routes.
func ownAddress(server string) (netip.Addr, error) {
	c, err := net.Dial("udp", server)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: a way to %s: %w", ErrServer, server, err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// addressesBeside lists the IPv4 addresses of the interface that has own, own first. With IPv6 it is own alone: there one address is given by hand.
func addressesBeside(own netip.Addr) (name string, list []netip.Addr, err error) {
	list = []netip.Addr{own}
	cards, err := net.Interfaces()
	if err != nil {
		return "", nil, err
	}
	for _, card := range cards {
		addrs, err := card.Addrs()
		if err != nil {
			return "", nil, err
		}
		var here []netip.Addr
		has := false
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			addr := prefix.Addr().Unmap()
			has = has || addr == own
			if addr.Is4() && addr != own {
				here = append(here, addr)
			}
		}
		if has && own.Is4() {
			return card.Name, append(list, here...), nil
		}
		if has {
			return card.Name, list, nil
		}
	}
	if runtime.GOOS == "linux" {
		return "lo", list, nil // an address of 127.0.0.0/8 that no interface names
	}
	return "lo0", list, nil
}
