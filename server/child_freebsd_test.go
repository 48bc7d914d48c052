package server

import "syscall"

// setSoftLimit hides that FreeBSD's limits are signed.
func setSoftLimit(l *syscall.Rlimit, n int) { l.Cur = int64(n) }
