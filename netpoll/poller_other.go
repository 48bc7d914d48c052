//go:build !linux && !((freebsd || darwin) && (amd64 || arm64))

package netpoll

import (
	"errors"
	"fmt"
	"runtime"
)

// newNativePoller says that there is no native backend for this system.
func newNativePoller() (Poller, error) {
	return nil, fmt.Errorf("netpoll: a poller for %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)
}

// newGnetPoller says the same of the other backend.
func newGnetPoller() (Poller, error) { return newNativePoller() }
