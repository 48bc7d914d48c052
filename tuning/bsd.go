package tuning

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// bsdCalls is what FreeBSD is asked through. Outside tests it is system_freebsd.go.
type bsdCalls interface {
	// Sysctl is sysctl(3) of a name, with numbers that follow the name's own, as it comes: in the machine's byte order.
	Sysctl(name string, more ...int) ([]byte, error)
	// SetSysctl sets it.
	SetSysctl(name string, value []byte) error
	// Rlimit is the hard limit of a process; pid 0 is this one.
	Rlimit(pid, resource int) (int64, error)
	// ReadFile is os.ReadFile.
	ReadFile(path string) ([]byte, error)
}

// bsdSystem is FreeBSD. It is built everywhere, because its calls can be those of a test.
type bsdSystem struct {
	calls bsdCalls
	pid   int // 0: this process
}

// Numbers of resources: sys/resource.h of FreeBSD.
var bsdResources = map[string]int{"RLIMIT_NOFILE": 8, "RLIMIT_SBSIZE": 9, "RLIMIT_KQUEUES": 13}

const loginConf = "/etc/login.conf"

// loginClasses are the classes that the service may have, the first that exists counts: its own, that of services (rc.subr(8)), and that of
// everybody.
var loginClasses = []string{"trunkline", "daemon", "default"}

// Machine reads the release, the memory and the processors.
func (s *bsdSystem) Machine() (Machine, error) {
	m := Machine{OS: FreeBSD, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), PageBytes: int64(os.Getpagesize())}
	text, err := s.word(oidRelease)
	if err != nil {
		return m, reading(oidRelease, err)
	}
	if m.Release, err = ParseRelease(text); err != nil {
		return m, err
	}
	if m.MemoryBytes, err = s.number(oidMemory); err != nil {
		return m, reading(oidMemory, err)
	}
	return m, nil
}

// Read reads a sysctl, a resource limit or the login class of services.
func (s *bsdSystem) Read(l *Limit) (Value, error) {
	switch l.Kind {
	case Sysctl, Loader:
		return s.readSysctl(l)
	case Rlimit:
		resource, ok := bsdResources[l.Name]
		if !ok {
			return Value{}, fmt.Errorf("tuning: read %s: %w", l.Name, ErrUnknown)
		}
		n, err := s.calls.Rlimit(s.pid, resource)
		if err != nil {
			return Value{}, reading(l.Name, err)
		}
		return Number(n), nil
	case LoginClass:
		return s.readLoginClass(l.Name)
	}
	return Value{}, fmt.Errorf("tuning: read %s: %w", l.Name, ErrUnsupported)
}

func (s *bsdSystem) readSysctl(l *Limit) (Value, error) {
	if l.Unit == "" {
		text, err := s.word(l.Name)
		if err != nil {
			return Value{}, reading(l.Name, err)
		}
		return Word(text), nil
	}
	n, err := s.number(l.Name)
	if err != nil {
		return Value{}, reading(l.Name, err)
	}
	return Number(n), nil
}

// word reads a sysctl that is a string; the kernel ends it with a zero.
func (s *bsdSystem) word(name string) (string, error) {
	b, err := s.calls.Sysctl(name)
	if err != nil {
		return "", err
	}
	text, _, _ := strings.Cut(string(b), "\x00")
	return text, nil
}

// errShape: a sysctl has another size than a number.
var errShape = errors.New("it is not a number")

// number reads a sysctl that is a number: bool, int or long, with or without sign. Limits are not below 0; what has the top bit set is a
// negative number that stands for none.
func (s *bsdSystem) number(name string) (int64, error) {
	b, err := s.calls.Sysctl(name)
	if err != nil {
		return 0, err
	}
	return bsdNumber(b)
}

func bsdNumber(b []byte) (int64, error) {
	switch len(b) {
	case 1:
		return int64(b[0]), nil
	case 2:
		return int64(binary.NativeEndian.Uint16(b)), nil
	case 4:
		return int64(int32(binary.NativeEndian.Uint32(b))), nil
	case 8:
		return int64(binary.NativeEndian.Uint64(b)), nil
	}
	return 0, fmt.Errorf("%w: it has %d bytes", errShape, len(b))
}

// readLoginClass takes a number of the class of services; it may be written for all its limits (openfiles) or the hard one (openfiles-max).
func (s *bsdSystem) readLoginClass(name string) (Value, error) {
	text, err := s.calls.ReadFile(loginConf)
	if err != nil {
		return Value{}, reading(loginConf, err)
	}
	for _, class := range loginClasses {
		if fields := loginFields(string(text), class); fields != nil {
			n, ok := loginLimit(string(text), fields, name)
			if !ok || n < 0 {
				n = Unlimited // what no class says, and -1, is unlimited
			}
			return Number(n), nil
		}
	}
	return Number(Unlimited), nil
}

// Write sets a sysctl in the size that it has, and reads it again.
func (s *bsdSystem) Write(l *Limit, v Value) error {
	if err := settable(l, v); err != nil {
		return err
	}
	now, err := s.calls.Sysctl(l.Name)
	if err != nil {
		return setting(l.Name, v, err)
	}
	b, err := bsdBytes(len(now), l.Unit == "", v)
	if err != nil {
		return fmt.Errorf("tuning: set %s to %s: %w: %w", l.Name, v, ErrRefused, err)
	}
	if err := s.calls.SetSysctl(l.Name, b); err != nil {
		return setting(l.Name, v, err)
	}
	return kept(s, l, v)
}

// bsdBytes is a value as a sysctl of a size takes it.
func bsdBytes(size int, isWord bool, v Value) ([]byte, error) {
	if isWord {
		return append([]byte(v.Text), 0), nil
	}
	n := v.Numbers[0]
	switch {
	case v.Count != 1:
		return nil, errors.New("it takes one number")
	case size == 1 && n >= 0 && n <= 1:
		return []byte{byte(n)}, nil
	case size == 4 && n >= -1<<31 && n < 1<<31:
		return binary.NativeEndian.AppendUint32(nil, uint32(n)), nil
	case size == 8:
		return binary.NativeEndian.AppendUint64(nil, uint64(n)), nil
	}
	return nil, fmt.Errorf("it does not fit into %d bytes", size)
}

// loginFields finds the record of a class in login.conf(5): fields between colons, lines joined by a backslash. nil: there is none.
func loginFields(text, class string) []string {
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if !strings.HasPrefix(fields[0], "#") && hasName(fields[0], class) {
			return fields[1:]
		}
	}
	return nil
}

// loginLimit finds a number among fields and those of the classes that they refer to by tc=CLASS.
func loginLimit(text string, fields []string, name string) (int64, bool) {
	for range loginClassDepthMax {
		next := ""
		for _, field := range fields {
			key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
			switch key {
			case name, name + "-max":
				return parseNumber(value)
			case "tc":
				next = value
			}
		}
		if next == "" {
			break
		}
		fields = loginFields(text, next)
	}
	return 0, false
}

// hasName looks for a class among the names of a record: "default|fallback".
func hasName(names, class string) bool {
	for name := range strings.SplitSeq(names, "|") {
		if strings.TrimSpace(name) == class {
			return true
		}
	}
	return false
}
