//go:build !linux && !freebsd && !darwin

package netpoll

// unacknowledged does not know: this system does not tell.
func unacknowledged(int) (n int, known bool) { return 0, false }
