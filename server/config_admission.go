package server

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// withAdmissionDefaults fills the zero fields of what keeps strangers in check.
func (c Config) withAdmissionDefaults() Config {
	orInt(&c.AddressConnections, AddressConnectionsDefault)
	orRate(&c.AddressAccepts, AddressAcceptsDefault)
	orRate(&c.AddressHandshakes, AddressHandshakesDefault)
	orRate(&c.Accepts, AcceptsDefault)
	orRate(&c.Handshakes, HandshakesDefault)
	orInt(&c.HandshakeShare, HandshakeShareDefault)
	orString(&c.ProxyFrom, ProxyFromDefault)
	orInt(&c.UserSessions, UserSessionsDefault)
	orInt(&c.Companions, CompanionsDefault)
	orInt(&c.GroupMembers, GroupMembersDefault)
	orRate(&c.Messages, MessagesDefault)
	orRate(&c.Controls, ControlsDefault)
	orRate(&c.Conversations, ConversationsDefault)
	orDuration(&c.TicketRotation, TicketRotationDefault)
	orDuration(&c.SessionExpiry, SessionExpiryDefault)
	return c
}

// checkAdmission reports the first of these settings that can't be used.
func (c Config) checkAdmission() error {
	for _, check := range []func() error{
		func() error { return checkInt("address-connections", c.AddressConnections, -1, ConnectionsMax) },
		func() error { return checkRate("address-accepts", c.AddressAccepts) },
		func() error { return checkRate("address-handshakes", c.AddressHandshakes) },
		func() error { return checkRate("accepts", c.Accepts) },
		func() error { return checkRate("handshakes", c.Handshakes) },
		func() error { return checkInt("handshake-share", c.HandshakeShare, 1, 90) },
		func() error { return checkPrefixes("exempt", c.Exempt) },
		c.checkProxy,
		func() error { return checkInt("user-sessions", c.UserSessions, 1, UserSessionsMax) },
		func() error { return checkInt("companions", c.Companions, 1, CompanionsMax) },
		func() error { return checkInt("group-members", c.GroupMembers, GroupMembersMin, GroupMembersMax) },
		func() error { return checkRate("messages", c.Messages) },
		func() error { return checkRate("controls", c.Controls) },
		func() error { return checkRate("conversations", c.Conversations) },
		func() error {
			return checkDuration("ticket-rotation", c.TicketRotation, time.Minute, TicketRotationMax)
		},
		func() error { return checkDuration("session-expiry", c.SessionExpiry, time.Second, SessionExpiryMax) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) checkProxy() error {
	if c.ProxyListen == "" {
		return nil
	}
	if err := checkAddr("proxy-listen", c.ProxyListen); err != nil {
		return err
	}
	return checkPrefixes("proxy-from", c.ProxyFrom)
}

func checkRate(key string, r Rate) error {
	if r.None || r.PerSecond >= 1 && r.PerSecond <= RateMax && r.Burst >= 1 && r.Burst <= RateMax {
		return nil
	}
	return &ConfigError{key, fmt.Sprintf("%s: both numbers of a rate lie between 1 and %d", r, RateMax)}
}

func checkPrefixes(key, list string) error {
	if _, err := parsePrefixes(list); err != nil {
		return &ConfigError{key, err.Error()}
	}
	return nil
}

// parsePrefixes reads a list of CIDR prefixes or single addresses, separated by commas.
func parsePrefixes(list string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		if addr, err := netip.ParseAddr(word); err == nil {
			prefixes = append(prefixes, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(word)
		if err != nil {
			return nil, fmt.Errorf("%q is not a prefix like 10.0.0.0/8", word)
		}
		prefixes = append(prefixes, p.Masked())
	}
	return prefixes, nil
}

func orRate(p *Rate, v Rate) {
	if *p == (Rate{}) {
		*p = v
	}
}
