package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"

	"trunkline/server"
	"trunkline/tuning"
)

// loadFlags declares what the machine shall hold. The names are those in the first lines of rendered files.
func (o *tuneOptions) loadFlags(fs *flag.FlagSet) {
	l := &o.load
	fs.Int64Var(&l.Connections, "connections", 0, "clients that are connected at the same time")
	fs.IntVar(&l.Loops, "loops", 0, "event loops of the server (default one for each core)")
	fs.TextVar((*sizeFlag)(&l.SendBufferBytes), "send-buffer", sizeOf(0), "most that waits in the kernel for a client who does not read (default 32KiB)")
	fs.TextVar((*sizeFlag)(&l.ReceiveBufferBytes), "receive-buffer", sizeOf(0), "most that waits in the kernel for a busy loop (default 64KiB)")
	fs.Int64Var(&l.AcceptPerSecond, "accepts", 0, "connects in a second of the worst storm (default all clients within a minute)")
	fs.Int64Var(&l.StalledPerMille, "stalled", 0, "clients of a `thousand` whose buffers are full; -1 for none (default 10)")
	fs.Int64Var(&l.Outbound, "outbound", 0, "connections that this machine opens itself: a load generator (default none)")
	fs.IntVar(&l.OutboundAddresses, "outbound-addresses", 0, "local addresses that it opens them from (default 1)")
	fs.Int64Var(&l.MemoryPerMille, "memory-share", 0, "`thousandths` of the memory that kernel and server may take (default 800)")
}

// sizeFlag is a number of bytes, written as all sizes are.
type sizeFlag int64

func sizeOf(n int64) *sizeFlag { return (*sizeFlag)(&n) }

// MarshalText is the text of server.Bytes; nothing for 0, which stands for the default.
func (n *sizeFlag) MarshalText() ([]byte, error) {
	if *n == 0 {
		return nil, nil
	}
	return server.Bytes(*n).MarshalText()
}

// UnmarshalText is that of server.Bytes.
func (n *sizeFlag) UnmarshalText(b []byte) error { return (*server.Bytes)(n).UnmarshalText(b) }

// needsLoad is for verbs that mean nothing without a number of connections.
func (o *tuneOptions) needsLoad(fs *flag.FlagSet) error {
	if !given(fs, "connections") && !given(fs, "outbound") {
		return errors.New("say how many connections: --connections N")
	}
	return o.mayLoad(fs)
}

// mayLoad looks at the load as far as that needs no machine.
func (o *tuneOptions) mayLoad(fs *flag.FlagSet) error {
	if n := o.load.Connections; given(fs, "connections") && (n < 1 || n > tuning.ConnectionsMax) {
		return fmt.Errorf("--connections: %d is not 1 to %d", n, tuning.ConnectionsMax)
	}
	probe := o.load
	if probe.Connections == 0 && probe.Outbound == 0 {
		probe.Connections = 1
	}
	if _, err := probe.Complete(tuning.Machine{Cores: 1}); err != nil {
		return errors.New(tuneText(err))
	}
	if o.from != "" && o.pid != 0 {
		return errors.New("--from and --pid exclude each other")
	}
	if o.pid < 0 {
		return fmt.Errorf("--pid: there is no process %d", o.pid)
	}
	return nil
}

// systemFlags say which machine is looked at.
func (o *tuneOptions) systemFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.from, "from", "", "look at the machine that tune record has written into this `file`, not at this one")
	fs.IntVar(&o.pid, "pid", 0, "whose resource limits count: those of this `process`, a running server (default the shell's own)")
}

// machineFlags describe another box.
type machineFlags struct {
	os, release, arch string
	cores             int
	memory, page      server.Bytes
}

func (f *machineFlags) declare(fs *flag.FlagSet) {
	fs.StringVar(&f.os, "os", "", "system of the box: freebsd or linux (default of the format, else this one)")
	fs.StringVar(&f.release, "release", "", "its release, as uname -r says it, such as 14.1")
	fs.StringVar(&f.arch, "arch", "", "its processor: amd64, arm64 (default amd64 for another system)")
	fs.IntVar(&f.cores, "cores", 0, "its processors")
	fs.TextVar(&f.memory, "memory", server.Bytes(0), "its memory")
	fs.TextVar(&f.page, "page", server.Bytes(0), "its page `size` (default 4096 for another system)")
}

// check looks at the values; 0 means something only where nothing was given.
func (f *machineFlags) check(fs *flag.FlagSet) error {
	if f.os != "" {
		if _, err := tuning.ParseOS(f.os); err != nil {
			return fmt.Errorf("--os: %q is neither freebsd nor linux", f.os)
		}
	}
	if f.release != "" {
		if _, err := tuning.ParseRelease(f.release); err != nil {
			return fmt.Errorf("--release: %q does not begin like 14.1", f.release)
		}
	}
	if given(fs, "cores") && (f.cores < 1 || f.cores > coresMax) {
		return fmt.Errorf("--cores: %d is not 1 to %d", f.cores, coresMax)
	}
	if given(fs, "memory") && f.memory < memoryMin {
		return fmt.Errorf("--memory: %s is not at least %s", f.memory, server.Bytes(memoryMin))
	}
	if given(fs, "page") && (f.page < tuning.PageBytesMin || f.page > tuning.PageBytesMax) {
		return fmt.Errorf("--page: %s is not %d to %d", f.page, tuning.PageBytesMin, tuning.PageBytesMax)
	}
	return nil
}

const (
	// coresMax and memoryMin bound a box that is described: outside them somebody mixed up flags.
	coresMax  = 4096
	memoryMin = 64 << 20
)

// box is the machine that a file is written for: what is known of the one that is looked at, and what flags say instead. wanted
// is the system of the format, 0 when both read it.
func (o *tuneOptions) box(wanted tuning.OS) (tuning.Machine, error) {
	f := &o.machine
	target := wanted
	if f.os != "" {
		target, _ = tuning.ParseOS(f.os) // checked
		if wanted != 0 && target != wanted {
			return tuning.Machine{}, usageProblem{fmt.Errorf("--format %s is read by %s, not by %s", o.format, wanted, target)}
		}
	}
	m, err := o.here()
	if err != nil && o.from != "" {
		return m, err
	}
	if target == 0 {
		target = m.OS
	}
	if target == 0 {
		return m, usageProblem{fmt.Errorf("this system is neither freebsd nor linux: say which box with --os, --release, --cores and --memory")}
	}
	if err != nil || m.OS != target {
		if missing := f.missing(); missing != "" {
			what := target.String()
			if wanted != 0 {
				what = fmt.Sprintf("%s is read by %s, which", o.format, target)
			}
			return m, usageProblem{fmt.Errorf("%s is not what this machine runs: say for which box with --release, --cores and --memory (missing: %s)", what, missing)}
		}
		m = tuning.Machine{OS: target, Arch: "amd64", PageBytes: 4096}
	}
	f.put(&m)
	return m, nil
}

// here is the machine that is looked at.
func (o *tuneOptions) here() (tuning.Machine, error) {
	system, err := o.system()
	if err != nil {
		return tuning.Machine{}, err
	}
	return system.Machine()
}

func (f *machineFlags) missing() string {
	var names []string
	if f.release == "" {
		names = append(names, "--release")
	}
	if f.cores == 0 {
		names = append(names, "--cores")
	}
	if f.memory == 0 {
		names = append(names, "--memory")
	}
	return strings.Join(names, ", ")
}

// put replaces what flags say.
func (f *machineFlags) put(m *tuning.Machine) {
	if f.release != "" {
		m.Release, _ = tuning.ParseRelease(f.release) // checked
	}
	if f.arch != "" {
		m.Arch = f.arch
	}
	if f.cores > 0 {
		m.Cores = f.cores
	}
	if f.memory > 0 {
		m.MemoryBytes = int64(f.memory)
	}
	if f.page > 0 {
		m.PageBytes = int64(f.page)
	}
}

// usageProblem is an error of the flags that is only found when the machine is known.
type usageProblem struct{ error }
