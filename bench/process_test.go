package bench

import (
	"context"
	"errors"
	"runtime"
	"testing"
)

func TestOwnUsageSeesMemoryAndTime(t *testing.T) {
	before, err := ownUsage()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 16<<20)
	for i := range b {
		b[i] = byte(i)
	}
	after, err := ownUsage()
	if err != nil {
		t.Fatal(err)
	}
	if grown := after.RSSBytes - before.RSSBytes; grown < 8<<20 {
		t.Errorf("16 MiB were written and the resident memory grew by %d (%s)", grown, after.RSSSource)
	}
	if after.CPU < before.CPU {
		t.Errorf("CPU time went from %v to %v", before.CPU, after.CPU)
	}
	runtime.KeepAlive(b)
}

func TestSteadyBytesWaitsUntilMemoryStandsStill(t *testing.T) {
	values := []int64{50 << 20, 40 << 20, 30 << 20, 20 << 20, 20<<20 + 4096, 20 << 20, 20 << 20, 20 << 20, 20 << 20}
	reads := 0
	got, steady, err := steadyBytes(context.Background(), func() (int64, error) {
		reads++
		return values[min(reads, len(values))-1], nil
	})
	if err != nil || !steady || got != 20<<20 {
		t.Errorf("got %d, %v, %v", got, steady, err)
	}
	if reads < 3+settleSame {
		t.Errorf("read %d times: it did not wait", reads)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := steadyBytes(ctx, func() (int64, error) { return 1, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	broken := errors.New("broken")
	if _, _, err := steadyBytes(context.Background(), func() (int64, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("a failed read: %v", err)
	}
}
