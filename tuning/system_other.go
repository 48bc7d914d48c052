//go:build !freebsd && !linux

package tuning

import (
	"fmt"
	"runtime"
)

func live(int) (System, error) {
	return nil, fmt.Errorf("tuning: %s: %w: limits are known of FreeBSD and Linux", runtime.GOOS, ErrUnsupported)
}
