package bench

import (
	"context"
	"runtime/debug"
	"time"
)

// giveBackMemory collects garbage twice (finalizers run in between) and returns free pages to the system, so that the
// resident memory of this process is what it uses.
func giveBackMemory() {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
}

// steadyBytes reads resident memory until settleSame samples in a row agree within settleWithin, and answers the last.
// steady is false when it did not stand still within settleTimeout.
func steadyBytes(ctx context.Context, read func() (int64, error)) (bytes int64, steady bool, err error) {
	deadline := time.Now().Add(settleTimeout)
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	var low, high int64
	for same := 0; ; {
		if bytes, err = read(); err != nil {
			return 0, false, err
		}
		low, high = min(low, bytes), max(high, bytes)
		if same == 0 || high-low > settleWithin {
			low, high, same = bytes, bytes, 0
		}
		if same++; same >= settleSame {
			return bytes, true, nil
		}
		if time.Now().After(deadline) {
			return bytes, false, nil
		}
		select {
		case <-ctx.Done():
			return 0, false, ctx.Err()
		case <-tick.C:
		}
	}
}
