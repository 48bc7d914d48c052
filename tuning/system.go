package tuning

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// Live is the operating system that this process runs on. The resource limits, descriptors and memory group that it reads are those of
// process pid, or of this one if pid is 0. Errors: ErrUnsupported on other systems than FreeBSD and Linux.
func Live(pid int) (System, error) {
	if pid < 0 {
		return nil, fmt.Errorf("tuning: there is no process %d", pid)
	}
	return live(pid)
}

// sentinel is the error of this package that a system's error means, or nil.
func sentinel(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist): // ENOENT: of sysctl(3) as of open(2)
		return ErrUnknown
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS): // containers see /proc/sys read-only
		return ErrPermission
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ERANGE):
		return ErrRefused
	}
	return nil
}

// reading wraps what a system answered when it was asked for a limit.
func reading(name string, err error) error {
	if known := sentinel(err); known != nil && known != ErrRefused {
		return fmt.Errorf("tuning: read %s: %w", name, known)
	}
	return fmt.Errorf("tuning: read %s: %w", name, err)
}

// setting is the same for setting one.
func setting(name string, v Value, err error) error {
	if known := sentinel(err); known != nil {
		return fmt.Errorf("tuning: set %s to %s: %w", name, v, known)
	}
	return fmt.Errorf("tuning: set %s to %s: %w", name, v, err)
}

// settable says why a limit can't be set while a system runs; nil if it can.
func settable(l *Limit, v Value) error {
	switch {
	case l.Kind == Loader:
		return fmt.Errorf("tuning: set %s: %w", l.Name, ErrReboot)
	case l.Kind != Sysctl:
		return fmt.Errorf("tuning: set %s: %w", l.Name, ErrUnsupported)
	case v.None():
		return fmt.Errorf("tuning: set %s to nothing: %w", l.Name, ErrRefused)
	}
	return nil
}

// kept makes sure of a value that was set: kernels cut what is too much without a word.
func kept(s System, l *Limit, v Value) error {
	now, err := s.Read(l)
	if err != nil {
		return err
	}
	if !tookAs(l, now, v) {
		return fmt.Errorf("tuning: set %s to %s: it is %s now: %w", l.Name, v, now, ErrRefused)
	}
	return nil
}

// tookAs says whether a system has taken v when it says now: the same, or a little more where more is as good. FreeBSD rounds some numbers
// up to whole slabs.
func tookAs(l *Limit, now, v Value) bool {
	if now.Count != v.Count || now.Text != v.Text {
		return false
	}
	for i := range v.Count {
		n, want := now.Numbers[i], v.Numbers[i]
		if n != want && (l.Rules[i] != AtLeast || n < want || n-want > want/roundedShare) {
			return false
		}
	}
	return true
}
