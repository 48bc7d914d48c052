package server

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// drain asks every client to leave, waits for them until DrainTimeout, flushes and closes what is left. ended is
// the end of the loops.
func (s *Server) drain(ended <-chan error) error {
	s.draining.Store(true)
	err := s.stopListening()
	open := s.connections()
	period := s.drainPeriod(open)
	s.cfg.Logger.Info("draining", "connections", open, "returns_per_second", int(math.Round(s.capacity.perSecond())), "pace", period.String(),
		"timeout", s.cfg.DrainTimeout.String())
	msg := make([]byte, 5)
	msg[0] = askDrain
	binary.BigEndian.PutUint32(msg[1:], uint32(period.Milliseconds()))
	for loop := range s.cfg.Loops {
		err = errors.Join(err, s.reactor.Post(loop, msg))
	}
	s.waitWhile(ended, time.Duration(s.cfg.DrainTimeout), func() bool { return s.connections() > 0 })
	if s.durable.keeper != nil {
		left := time.Now().Add(StatsAge) // what was told before may be of a time when somebody was there
		s.waitWhile(ended, ParkedTimeout, func() bool { return s.parkedSince(left) })
	}
	left := s.connections()
	ctx, cancel := context.WithTimeout(context.Background(), FlushTimeout)
	defer cancel()
	if shut := s.reactor.Shutdown(ctx); errors.Is(shut, context.DeadlineExceeded) {
		s.cfg.Logger.Warn("some clients did not take their last bytes", "waited", FlushTimeout.String())
	} else {
		err = errors.Join(err, shut)
	}
	s.cfg.Logger.Info("drained", "left_by_themselves", max(0, open-left), "closed", left)
	return err
}

// parkedSince says whether something waits for a user until the disk has been asked, or nobody knows since then: that has to be taken by loops that run.
func (s *Server) parkedSince(t time.Time) bool {
	snap := s.gather.gather()
	return snap.at.Before(t) || snap.sum(func(l *loopCounters) int64 { return l.shard.ParkedUsers }) > 0
}

// waitWhile returns when that is no longer so, when the time has passed, or when the loops have ended.
func (s *Server) waitWhile(ended <-chan error, timeout time.Duration, so func() bool) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	look := time.NewTicker(drainPoll)
	defer look.Stop()
	for so() {
		select {
		case <-look.C:
		case <-deadline.C:
			return
		case <-ended:
			return
		}
	}
}

// connections reads the loops' own counters, which takes no answer from them.
func (s *Server) connections() int64 {
	total := int64(0)
	for _, l := range s.reactor.Stats() {
		total += l.Connections
	}
	return total
}

// drainPeriod is the time over which that many clients are asked to leave: as fast as they can come back, and no longer than leaves the
// last of them time to go by themselves.
func (s *Server) drainPeriod(connections int64) time.Duration {
	period := time.Duration(float64(connections) / s.capacity.perSecond() * float64(time.Second))
	return min(period.Round(time.Millisecond), time.Duration(s.cfg.DrainTimeout)/DrainPacePart)
}

// assumedCost is what a login costs before one was measured.
func assumedCost(transport string) time.Duration {
	if transport == TransportPlain {
		return loginCostAssumed
	}
	return handshakeCostAssumed
}
