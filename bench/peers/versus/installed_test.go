package main

import (
	"context"
	"testing"
	"time"
)

// The servers that are installed take what the dialects say: pairs talk, and users who were away get everything.
func TestInstalledServersDoTheSameWork(t *testing.T) {
	if testing.Short() {
		t.Skip("starts other people's servers")
	}
	z := sizes{Pairs: 5, Bytes: 200, Inflight: []int{1, 16}, Rate: 500, Warm: 50 * time.Millisecond, Time: 300 * time.Millisecond, SlowShare: 1}
	for _, s := range systems("/nonexistent/trunkline") {
		t.Run(s.kind.Name(), func(t *testing.T) {
			if _, err := s.kind.Version(); err != nil {
				t.Skip(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			figures := 0
			note := func(o sample) {
				figures++
				if o.Value <= 0 || o.Lost != 0 || o.Wrong != 0 {
					t.Errorf("%+v", o)
				}
			}
			if err := measureTalk(ctx, s, z, note); err != nil {
				t.Fatal(err)
			}
			want := 3
			if s.queues {
				want = 5
				if err := measureBacklog(ctx, s, z, backlog{Users: 3, Messages: 101}, note); err != nil {
					t.Fatal(err)
				}
			}
			if figures != want {
				t.Errorf("%d figures", figures)
			}
		})
	}
}
