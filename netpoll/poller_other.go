//go:build !linux

package netpoll

import "errors"

// newNativePoller says that there is no native backend for this system.
func newNativePoller() (Poller, error) {
	return nil, errors.ErrUnsupported
}
