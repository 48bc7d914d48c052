//go:build !linux && !freebsd

package tuning

// ReadSocketMemory knows nothing here.
func ReadSocketMemory() (SocketMemory, bool) { return SocketMemory{}, false }
