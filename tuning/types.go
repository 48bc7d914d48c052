package tuning

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// OS is an operating system whose limits are known here.
type OS uint8

// The systems.
const (
	FreeBSD OS = 1
	Linux   OS = 2
)

// Release is a version of an operating system's kernel. The zero value is "unknown", and older than any.
type Release struct{ Major, Minor int }

// ParseRelease reads the first two numbers of what uname(3) calls the release: "14.1-RELEASE-p5", "6.18.44-generic".
func ParseRelease(text string) (Release, error) {
	head, rest, found := strings.Cut(text, ".")
	major, err := strconv.Atoi(head)
	if err != nil || !found {
		return Release{}, fmt.Errorf("tuning: release %q has no two numbers at its start", text)
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	minor, err := strconv.Atoi(rest)
	if err != nil {
		return Release{}, fmt.Errorf("tuning: release %q has no two numbers at its start", text)
	}
	return Release{Major: major, Minor: minor}, nil
}

// String is "14.1".
func (r Release) String() string { return strconv.Itoa(r.Major) + "." + strconv.Itoa(r.Minor) }

// Before says whether r is older than other.
func (r Release) Before(other Release) bool {
	return cmp.Or(cmp.Compare(r.Major, other.Major), cmp.Compare(r.Minor, other.Minor)) < 0
}

// Kind says where a limit is set, and with that when a change takes effect.
type Kind uint8

// The kinds.
const (
	Loader     Kind = 1 // loader.conf(5): read once when the kernel starts
	Sysctl     Kind = 2 // sysctl(8): at once
	Rlimit     Kind = 3 // setrlimit(2): of one process; inherited by those it starts
	LoginClass Kind = 4 // login.conf(5): given to processes that are started in the class
	PerSocket  Kind = 5 // setsockopt(2): the server sets it itself; Check has nothing to read
	Hardware   Kind = 6 // what the machine is made of: nothing sets it
)

// Rule says which values are as good as the one that is needed.
type Rule uint8

// The rules.
const (
	AtLeast Rule = 1 // the same or more
	AtMost  Rule = 2 // the same or less
	Equal   Rule = 3
	Any     Rule = 4 // not judged: this number of a list stays what it is
)

// Unlimited stands for a limit that the system reports as infinite. In text and JSON it is "unlimited".
const Unlimited = math.MaxInt64

// Value is what a limit is set to: one to three numbers, or a word. Values can be compared with ==.
// The zero value is "none": a load that does not need the limit needs no value of it.
type Value struct {
	Numbers [ValueNumbersMax]int64
	Count   uint8  // how many of Numbers are used
	Text    string // for limits that are words, with Count == 0
}

// Number is a value of one number.
func Number(n int64) Value { return Value{Numbers: [ValueNumbersMax]int64{n}, Count: 1} }

// Word is a value that is a word.
func Word(text string) Value { return Value{Text: text} }

// List is a value of up to ValueNumbersMax numbers; those above are left out.
func List(numbers ...int64) Value {
	var v Value
	v.Count = uint8(copy(v.Numbers[:], numbers))
	return v
}

// None says whether there is no value.
func (v Value) None() bool { return v.Count == 0 && v.Text == "" }

// Load is what a machine shall hold. Complete fills what is left at zero.
type Load struct {
	Connections        int64 // clients that are connected at the same time
	Loops              int   // event loops; 0: one for each core
	SendBufferBytes    int64 // most that waits in the kernel for a client who does not read; 0: the default
	ReceiveBufferBytes int64 // most that waits in the kernel for a loop that is busy; 0: the default
	AcceptPerSecond    int64 // connects in a second of the worst storm; 0: all of them within StormSeconds
	StalledPerMille    int64 // clients of a thousand whose buffers are full; 0: the default, negative: none
	Outbound           int64 // connections that this machine opens itself: a load generator; 0: a server
	OutboundAddresses  int   // local addresses that it opens them from; 0: one
	MemoryPerMille     int64 // share of the memory that kernel and server together may take; 0: the default
}

// Machine is what a box is.
type Machine struct {
	OS          OS
	Release     Release
	Arch        string // as GOARCH
	Cores       int
	MemoryBytes int64 // what the box has, or what a control group leaves this process of it
	PageBytes   int64
}

// Limit is one row of the table: a setting of the system that connections run into.
type Limit struct {
	Name string // as sysctl(8), loader.conf(5) or login.conf(5) call it; of an rlimit the name in C
	OS   OS
	Kind Kind
	Unit string // of the numbers: "sockets", "bytes", "pages", ...; "" for words
	// Need is the value that a load needs on a machine. Both are complete and checked. None: the load does not depend on it.
	Need func(Load, Machine) Value
	// Suggest is what to set it to where Need is not met: Need with room for what else the system does. nil: Need itself.
	Suggest func(Load, Machine) Value
	// Rules judge the numbers of the value one by one; the first judges a word.
	Rules    [ValueNumbersMax]Rule
	Reason   string  // one sentence: why a server of connections cares
	TooSmall string  // one sentence: what an operator sees when it does not fit
	Manual   string  // where the system documents it: "tcp(4)"
	Since    Release // the first release that has it; zero: each that is supported
	Removed  Release // the first that has it no more; zero: none
	Required bool    // the load can't be held without it; else it is advice
	Storm    bool    // what is short bounds connects at the same time, not connections: Plan does not count it
	Optional bool    // only there while a part of the system is in use that need not be; where it is not, it limits nothing
	Boot     string  // the name under which loader.conf(5) or the kernel's command line sets it, where that is not Name
	Default  string  // what it is when nobody sets it, in words
}

// Exists says whether a release has the limit. A release that is not known has all.
func (l *Limit) Exists(r Release) bool {
	if r == (Release{}) {
		return true
	}
	return !r.Before(l.Since) && (l.Removed == Release{} || r.Before(l.Removed))
}

// Suggested is what to set a limit to for a load: Suggest, or Need. Both are complete and checked; none as for Need.
func (l *Limit) Suggested(load Load, m Machine) Value {
	if l.Suggest == nil {
		return l.Need(load, m)
	}
	return l.Suggest(load, m)
}

// System is one operating system's settings: the running one, or a Fixture in tests. It may be used by one goroutine at a time.
type System interface {
	// Machine says what the box is.
	Machine() (Machine, error)
	// Read returns a limit as it is now. Errors: ErrUnknown, ErrPermission, ErrUnsupported, or what the system said.
	Read(l *Limit) (Value, error)
	// Write sets a limit until the next reboot. Errors: as Read, ErrReboot for Loader, or ErrRefused with what the system said.
	Write(l *Limit, v Value) error
	// Counters says how much of what is limited is used. Rows that the system does not tell are left out.
	Counters() (Counters, error)
}

// NotTold stands in a Counter for a number that the system does not tell.
const NotTold = -1

// Counter is what is used of one thing that the kernel limits. Each number is NotTold where the system does not tell it.
type Counter struct {
	Name      string // one of those that docs/tuning.md lists
	Unit      string
	Used      int64
	Limit     int64 // Unlimited where there is none
	Refused   int64 // how often it was refused, dropped or denied since the kernel started
	ItemBytes int64 // what the kernel allocates for one
}

// Counters are in the order of docs/tuning.md.
type Counters []Counter

// Find returns a counter by name.
func (c Counters) Find(name string) (Counter, bool) {
	for _, row := range c {
		if row.Name == name {
			return row, true
		}
	}
	return Counter{}, false
}

// Verdict is what Check says about a limit, and about all of them.
type Verdict uint8

// The verdicts.
const (
	Fit     Verdict = 1 // as good as needed
	Advice  Verdict = 2 // works as it is, and would be better as advised
	Unknown Verdict = 3 // could not be read
	Short   Verdict = 4 // the load can't be held
)

// Exit is the exit code of a command that ends with this verdict: 0 for Fit and Advice, 1 for Short, 2 for Unknown.
func (v Verdict) Exit() int {
	switch v {
	case Short:
		return 1
	case Unknown:
		return 2
	}
	return 0
}

// Row is one limit of a Report.
type Row struct {
	Limit   *Limit
	Have    Value // none when it could not be read
	Need    Value
	Set     Value // what to set it to: what is suggested, but for numbers that fit already; none when Verdict is Fit
	Verdict Verdict
	Reason  string // one sentence
}

// Report is what Check found.
type Report struct {
	Machine Machine
	Load    Load // complete
	Rows    []Row
	Verdict Verdict // Short if a row is; else Unknown if a row that is required is; else Advice if a row is not Fit; else Fit
}

// Part is memory of one kind.
type Part struct {
	Name   string
	Each   int64  // bytes for each connection; 0 if it does not grow with them
	Fixed  int64  // bytes whatever the number of connections
	Bytes  int64  // in all
	Source string // where the figure is from
}

// Model is what connections cost in memory, by part. Memory makes it.
type Model struct {
	Parts []Part
	Bytes int64 // sum of the parts
}

// Stop is a limit and the number of connections at which it strikes.
type Stop struct {
	Name        string // of a Limit; "memory" for the machine's memory
	Connections int64  // the most that it lets through
	Have        Value
	Reason      string
}

// Capacity is how many connections a box holds and what stops it. Plan makes it.
type Capacity struct {
	Machine     Machine
	Load        Load     // complete, with Connections as asked for; 0 if not
	Connections int64    // the most it holds as it is set now
	StoppedBy   string   // the first of Stops
	Reachable   int64    // the most its memory holds, with each limit set as needed
	Stops       []Stop   // what stops it, the nearest first
	Model       Model    // memory of the connections asked for, or of Reachable
	BudgetBytes int64    // what of the memory kernel and server may take
	Unread      []string // limits that stop connections and could not be read: Connections does not know them
}
