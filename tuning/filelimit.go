package tuning

import "fmt"

// FileLimit is the process's descriptor limit (RLIMIT_NOFILE), before and after RaiseFileLimit.
type FileLimit struct {
	SoftWas, HardWas uint64 // found at start
	Soft, Hard       uint64 // in force now
}

// Raised says whether the limit in force grew.
func (l FileLimit) Raised() bool { return l.Soft > l.SoftWas }

// Connections is how many connections the limit in force allows: the soft limit less DescriptorReserve, at least 0.
func (l FileLimit) Connections() int {
	if l.Soft <= DescriptorReserve {
		return 0
	}
	return int(min(l.Soft, FilesUnlimited) - DescriptorReserve)
}

// RaiseFileLimit raises the soft limit on open descriptors as far as this process may: to the hard limit, and where the
// process is allowed to raise that too (root, or CAP_SYS_RESOURCE), to what the kernel allows any process.
// The result is valid and describes the limit in force also when an error says that it could not be raised.
func RaiseFileLimit() (FileLimit, error) {
	soft, hard, err := fileLimit()
	l := FileLimit{SoftWas: soft, HardWas: hard, Soft: soft, Hard: hard}
	if err != nil {
		return l, fmt.Errorf("tuning: read the descriptor limit: %w", err)
	}
	// A refusal here is the normal case of a process without privileges: the hard limit stays what it is.
	if ceiling := filesMaxOfKernel(); ceiling > hard {
		if setFileLimit(ceiling, ceiling) == nil {
			hard = ceiling
		}
	}
	if soft < hard {
		if err = setFileLimit(usableSoft(hard), hard); err != nil {
			err = fmt.Errorf("tuning: raise the descriptor limit from %d to %d: %w", soft, hard, err)
		}
	}
	if now, nowHard, readErr := fileLimit(); readErr == nil {
		l.Soft, l.Hard = now, nowHard
	}
	return l, err
}
