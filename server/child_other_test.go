//go:build !freebsd

package server

import "syscall"

// setSoftLimit hides that FreeBSD's limits are signed.
func setSoftLimit(l *syscall.Rlimit, n int) { l.Cur = uint64(n) }
