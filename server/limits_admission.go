package server

import "time"

// Admission: what strangers may cost. Each is the default of the setting with that name; docs/operations.md says what happens when it is reached.
const (
	// AddressConnectionsDefault connections may be open from one address. A carrier's NAT has thousands of phones behind one.
	AddressConnectionsDefault = 4096
	// HandshakeShareDefault is the part of a loop's time, in percent, that handshakes may take while others are served.
	HandshakeShareDefault = 25
	// ProxyFromDefault are the load balancers of this machine.
	ProxyFromDefault = "127.0.0.0/8,::1/128"
	// UserSessionsDefault devices of one user may be connected: a primary, four companions, and room for changes.
	UserSessionsDefault = 8
	// UserSessionsMax is what a shard holds for one user.
	UserSessionsMax = 32
	// TicketRotationDefault: a phone that was away for less than a day comes back in one round trip, for certain.
	TicketRotationDefault = 24 * time.Hour
	// TicketRotationMax bounds it: a stolen ticket key is good for twice that.
	TicketRotationMax = 30 * 24 * time.Hour
	// SessionExpiryDefault is how long the empty mailbox of an absent device stays in memory.
	SessionExpiryDefault = 7 * 24 * time.Hour
	// SessionExpiryMax bounds it.
	SessionExpiryMax = 366 * 24 * time.Hour
	// AddressCells is how many addresses can be told apart at one time, 24 bytes each. Only those with open connections or a debt need
	// a cell. Full: newcomers share the cells, and so the limits, of others; counted.
	AddressCells = 65_536
	// OffenceHandshakes is what a malformed or forged flight costs its address: as much as that many handshakes. An address with the
	// default limits may commit 256 at once and 6 a second; then its handshakes are refused until it has paid.
	OffenceHandshakes = 16
	// ProxyHeaderBytesMax bounds a PROXY header with its TLVs: a certificate of a client fits. Over it the connection is closed.
	ProxyHeaderBytesMax = 4 << 10
	// RateMax bounds both numbers of every rate.
	RateMax = 10_000_000
)

// The default rates. They are never changed.
var (
	AddressAcceptsDefault    = Rate{PerSecond: 200, Burst: 4096}
	AddressHandshakesDefault = Rate{PerSecond: 100, Burst: 4096}
	AcceptsDefault           = Rate{PerSecond: 20_000, Burst: 40_000}
	HandshakesDefault        = Rate{None: true} // HandshakeShare bounds them by time
	MessagesDefault          = Rate{PerSecond: 100, Burst: 1000}
	ControlsDefault          = Rate{PerSecond: 200, Burst: 2000}
	ConversationsDefault     = Rate{PerSecond: 1, Burst: 256}
	PresenceRateDefault      = Rate{PerSecond: 20_000, Burst: 20_000} // of each loop: a tenth of what it can write
)
