package bench

import (
	"context"
	"fmt"
	"time"
)

// within checks a number that a caller gave.
func within(name string, v, low, high int) error {
	if v < low || v > high {
		return fmt.Errorf("%w: %s is %d, it must lie between %d and %d", ErrInput, name, v, low, high)
	}
	return nil
}

// withinNumber checks a number with a point.
func withinNumber(name string, v, low, high float64) error {
	if !(v >= low && v <= high) { // not a number is neither
		return fmt.Errorf("%w: %s is %v, it must lie between %v and %v", ErrInput, name, v, low, high)
	}
	return nil
}

// withinTime checks a duration that a caller gave.
func withinTime(name string, v, low, high time.Duration) error {
	if v < low || v > high {
		return fmt.Errorf("%w: %s is %v, it must lie between %v and %v", ErrInput, name, v, low, high)
	}
	return nil
}

// sleep waits, or returns early with ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
