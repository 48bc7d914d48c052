//go:build !linux && !freebsd

package netpoll

// setReusePort refuses: this system would not spread connections.
func setReusePort(int) error { return ErrReusePort }
