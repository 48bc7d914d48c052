package server

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"trunkline/netpoll"
	"trunkline/shard"
	"trunkline/store"
)

// Config is everything `trunkline serve` can set. The zero value of a field means its default.
// The names in the tags are the keys of the configuration file and the flags.
type Config struct {
	Listen         string `toml:"listen"`          // chat: "127.0.0.1:5222", "[::1]:0"
	Admin          string `toml:"admin"`           // status, metrics, profiles: "127.0.0.1:5280"; "off" for none
	AdminPublic    bool   `toml:"admin-public"`    // Admin may be an address that is not loopback
	Loops          int    `toml:"loops"`           // event loops; default GOMAXPROCS
	Poller         string `toml:"poller"`          // "native" or "gnet"
	Place          string `toml:"place"`           // "home": a connection moves to its user's loop; "accept": it stays
	ReusePort      bool   `toml:"reuseport"`       // one listening socket for each loop
	Data           string `toml:"data"`            // directory for what is kept: mailboxes, accounts, keys, the hash seed; "" keeps nothing
	MaxConnections int    `toml:"max-connections"` // default: what the descriptor limit allows
	Keys           string `toml:"keys"`            // directory of operator and server keys; "": below Data, or in memory without one
	Registration   string `toml:"registration"`    // "token": a new device shows a token; "open": anybody as anybody
	Transport      string `toml:"transport"`       // "noise": encrypted; "plain"
	Accounts       Places `toml:"accounts"`        // databases for accounts and people; none: below Data

	Ack           string   `toml:"ack"`            // what the first tick means: "disk", "memory"; "": disk with Data, memory without
	Journal       Paths    `toml:"journal"`        // directories of the journal, one writer each; none: below Data
	JournalLinger Duration `toml:"journal-linger"` // how long a round of the journal waits for company
	JournalBytes  Bytes    `toml:"journal-bytes"`  // of the journal on disk
	WriteBack     Duration `toml:"write-back"`     // how often mailboxes are written to the offline store
	Retention     Duration `toml:"retention"`      // how long a message waits for a device that does not come

	Keepalive    Duration `toml:"keepalive"`
	LoginTimeout Duration `toml:"login-timeout"`
	AckTimeout   Duration `toml:"ack-timeout"`
	DrainTimeout Duration `toml:"drain-timeout"`

	MailboxEntries int   `toml:"mailbox-entries"` // of one device
	MailboxBytes   Bytes `toml:"mailbox-bytes"`   // of one device
	Users          int   `toml:"users"`           // of the process
	StoreBytes     Bytes `toml:"store-bytes"`     // of the process
	Subscriptions  int   `toml:"subscriptions"`   // of one session

	PresenceRate   Rate     `toml:"presence-rate"`   // PRESENCE and TYPING frames of each loop
	PresenceWindow Duration `toml:"presence-window"` // how often the watchers of a user are told of it, at most

	AddressConnections int      `toml:"address-connections"` // open at once from one address (IPv4 /32, IPv6 /64); -1: no limit
	AddressAccepts     Rate     `toml:"address-accepts"`     // new connections of one address
	AddressHandshakes  Rate     `toml:"address-handshakes"`  // handshakes of one address
	Accepts            Rate     `toml:"accepts"`             // new connections of the process
	Handshakes         Rate     `toml:"handshakes"`          // handshakes of the process
	HandshakeShare     int      `toml:"handshake-share"`     // percent of a loop's time that handshakes may take, 1 to 90
	Exempt             string   `toml:"exempt"`              // prefixes without address limits: "10.0.0.0/8,::1/128"
	ProxyListen        string   `toml:"proxy-listen"`        // where load balancers connect with PROXY protocol v2; "" for none
	ProxyFrom          string   `toml:"proxy-from"`          // prefixes that may connect there
	Companions         int      `toml:"companions"`          // devices of one user that may be registered beside its primary
	GroupMembers       int      `toml:"group-members"`       // users in one group
	UserSessions       int      `toml:"user-sessions"`       // devices of one user that may be connected at once
	Messages           Rate     `toml:"messages"`            // SENDs of one device
	Controls           Rate     `toml:"controls"`            // other stanzas of one session
	Conversations      Rate     `toml:"conversations"`       // first messages of one device to users it has not talked to lately
	TicketRotation     Duration `toml:"ticket-rotation"`     // a ticket can be used for one to two of these
	SessionExpiry      Duration `toml:"session-expiry"`      // an empty mailbox whose device stays away is dropped from memory

	GuardMessages           int      `toml:"guard-messages"`            // of one user within an hour; 0: no limit, as in the next ones
	GuardConversations      int      `toml:"guard-conversations"`       // first messages of one user to others within an hour
	GuardReceivers          int      `toml:"guard-receivers"`           // distinct receivers of one user within an hour
	GuardYoung              Duration `toml:"guard-young"`               // how long a device counts as new
	GuardYoungMessages      int      `toml:"guard-young-messages"`      // the same three for new devices; 0: as for others
	GuardYoungConversations int      `toml:"guard-young-conversations"` //
	GuardYoungReceivers     int      `toml:"guard-young-receivers"`     //
	GuardSlowReports        int      `toml:"guard-slow-reports"`        // whom so many others have reported within a day is slowed; -1: nobody
	GuardSlowEvery          Duration `toml:"guard-slow-every"`          // to one message in this time
	GuardRefuseReports      int      `toml:"guard-refuse-reports"`      // whom so many have reported may send nothing; 0: nobody

	LogLevel  string `toml:"log-level"`  // "debug", "info", "warn", "error"
	LogFormat string `toml:"log-format"` // "text", "json"
	GCPercent int    `toml:"gc-percent"` // heap growth between collections; 0: chosen for what may come (Server.GCChoice)

	GOGC, GOMEMLIMIT string `toml:"-"` // of the environment, which only cmd reads: they win over what the server would choose

	Logger   *slog.Logger `toml:"-"` // default: nothing is logged
	Verifier Verifier     `toml:"-"` // who may register; nil: the built-in one that Registration names
	hooks    *hooks       // tests of this package only
}

// hooks are the places where tests put a fault in.
type hooks struct {
	queue  func(shard.Queue) shard.Queue   // stands before each loop's mailboxes
	people func(store.People) store.People // stands before what is kept of people
	nowSec func() int64                    // the clock of tickets and tokens, unix seconds
	fs     store.FS                        // below mailboxes, journal and state; accounts and keys keep the system's
	keeper func(o *store.KeeperOptions)    // changes what the settings say
}

// AdminOff is the value of Config.Admin that means: no admin listener.
const AdminOff = "off"

// The values of Config.Place.
const (
	PlaceHome   = "home"
	PlaceAccept = "accept"
)

// The values of Config.Transport and Config.Registration.
const (
	TransportNoise    = "noise"
	TransportPlain    = "plain"
	RegistrationToken = "token"
	RegistrationOpen  = "open"
)

// DefaultConfig is what `trunkline serve` without flags runs with, but for a place for data. Ack is empty in it, as it depends on that.
func DefaultConfig() Config {
	c := Config{}.withDefaults()
	c.Ack = ""
	return c
}

// withDefaults fills every zero field.
func (c Config) withDefaults() Config {
	orString(&c.Listen, ListenDefault)
	orString(&c.Admin, AdminDefault)
	orInt(&c.Loops, min(runtime.GOMAXPROCS(0), LoopsMax))
	orString(&c.Poller, netpoll.PollerNative)
	orString(&c.Place, PlaceHome)
	orString(&c.Transport, TransportNoise)
	orString(&c.Registration, RegistrationFor(c.Transport))
	orDuration(&c.Keepalive, KeepaliveDefault)
	orDuration(&c.LoginTimeout, LoginTimeoutDefault)
	orDuration(&c.AckTimeout, AckTimeoutDefault)
	orDuration(&c.DrainTimeout, DrainTimeoutDefault)
	orInt(&c.MailboxEntries, MailboxEntriesDefault)
	orBytes(&c.MailboxBytes, MailboxBytesDefault)
	orInt(&c.Users, UsersDefault)
	orBytes(&c.StoreBytes, StoreBytesDefault)
	orInt(&c.Subscriptions, SubscriptionsDefault)
	orRate(&c.PresenceRate, PresenceRateDefault)
	orDuration(&c.PresenceWindow, PresenceWindowDefault)
	c = c.withAdmissionDefaults().withDurableDefaults().withGuardDefaults()
	orString(&c.LogLevel, "info")
	orString(&c.LogFormat, "text")
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports the first setting that can't be used, as a *ConfigError. Zero fields are defaults and valid.
func (c Config) Validate() error { return c.withDefaults().ValidateGiven() }

// ValidateGiven is Validate for what somebody wrote over DefaultConfig: a zero is no default here but a value that was
// asked for, and an error where it means nothing. Whoever writes 0 for "none" or "no limit" must not get the default.
func (c Config) ValidateGiven() error {
	for _, check := range []func() error{
		func() error { return checkAddr("listen", c.Listen) },
		c.checkAdmin,
		func() error { return checkInt("loops", c.Loops, 1, LoopsMax) },
		func() error { return checkWord("poller", c.Poller, netpoll.PollerNative, netpoll.PollerGnet) },
		func() error { return checkWord("place", c.Place, PlaceHome, PlaceAccept) },
		func() error { return checkInt("max-connections", c.MaxConnections, 0, ConnectionsMax) },
		func() error { return checkWord("transport", c.Transport, TransportNoise, TransportPlain) },
		c.checkRegistration,
		c.checkAccounts,
		func() error { return checkDuration("keepalive", c.Keepalive, KeepaliveMin, KeepaliveMax) },
		func() error { return checkDuration("login-timeout", c.LoginTimeout, time.Millisecond, DurationMax) },
		func() error { return checkDuration("ack-timeout", c.AckTimeout, time.Millisecond, DurationMax) },
		func() error { return checkDuration("drain-timeout", c.DrainTimeout, time.Millisecond, DurationMax) },
		func() error { return checkInt("mailbox-entries", c.MailboxEntries, 1, 1<<30) },
		func() error { return checkInt("mailbox-bytes", int(c.MailboxBytes), 1<<10, 1<<40) },
		func() error { return checkInt("users", c.Users, 1, 1<<31-1) },
		func() error { return checkInt("store-bytes", int(c.StoreBytes), 1<<10, 1<<50) },
		func() error { return checkInt("subscriptions", c.Subscriptions, 1, 1<<16) },
		func() error { return checkRate("presence-rate", c.PresenceRate) },
		func() error {
			return checkDuration("presence-window", c.PresenceWindow, PresenceWindowMin, PresenceWindowMax)
		},
		c.checkAdmission,
		c.checkDurable,
		c.checkGuard,
		func() error { return checkWord("log-level", c.LogLevel, "debug", "info", "warn", "error") },
		func() error { return checkWord("log-format", c.LogFormat, "text", "json") },
		func() error { return c.checkGC() },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkAdmin keeps profiles and metrics away from the network unless that was asked for by name.
func (c Config) checkAdmin() error {
	if c.Admin == AdminOff {
		return nil
	}
	if err := checkAddr("admin", c.Admin); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(c.Admin)
	if err != nil {
		return &ConfigError{"admin", err.Error()}
	}
	if c.AdminPublic || isLoopback(host) {
		return nil
	}
	return &ConfigError{"admin", fmt.Sprintf("%s is not a loopback address; "+
		"anybody who reaches it can read profiles: give --admin-public if that is meant", c.Admin)}
}

// RegistrationFor is the default of Config.Registration with that transport: on the plain one there is nothing that a token would prove.
func RegistrationFor(transport string) string {
	if transport == TransportPlain {
		return RegistrationOpen
	}
	return RegistrationToken
}

// checkRegistration refuses a promise that can't be kept: on the plain transport nobody proves who they are, with or without a token.
func (c Config) checkRegistration() error {
	if err := checkWord("registration", c.Registration, RegistrationToken, RegistrationOpen); err != nil {
		return err
	}
	if c.Registration == RegistrationToken && c.Transport == TransportPlain {
		return &ConfigError{"registration", fmt.Sprintf("%s needs --transport=%s: the %s transport proves no identity, so --registration=%s is all it can have",
			RegistrationToken, TransportNoise, TransportPlain, RegistrationOpen)}
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func checkAddr(key, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return &ConfigError{key, fmt.Sprintf("%q is not an address and port like 127.0.0.1:5222", addr)}
	}
	return nil
}

func checkInt(key string, v, low, high int) error {
	if v < low || v > high {
		return &ConfigError{key, fmt.Sprintf("%d is not between %d and %d", v, low, high)}
	}
	return nil
}

func checkDuration(key string, v Duration, low, high time.Duration) error {
	if v > 0 && time.Duration(v) < time.Microsecond { // a bare number in the file: nobody means nanoseconds
		return &ConfigError{key, fmt.Sprintf("%d has no unit: write \"%ds\"", v, v)}
	}
	if time.Duration(v) < low || time.Duration(v) > high {
		return &ConfigError{key, fmt.Sprintf("%s is not between %s and %s", v, Duration(low), Duration(high))}
	}
	return nil
}

func checkWord(key, v string, words ...string) error {
	if slices.Contains(words, v) {
		return nil
	}
	return &ConfigError{key, fmt.Sprintf("%q is not one of %s", v, strings.Join(words, ", "))}
}

func orString(p *string, v string) {
	if *p == "" {
		*p = v
	}
}

func orInt(p *int, v int) {
	if *p == 0 {
		*p = v
	}
}

func orDuration(p *Duration, v time.Duration) {
	if *p == 0 {
		*p = Duration(v)
	}
}

func orBytes(p *Bytes, v Bytes) {
	if *p == 0 {
		*p = v
	}
}
