package shard

import (
	"testing"

	"trunkline/codec"
)

// fill writes messages from a sender to a user until one is rejected or n are taken.
func fill(s *Shard, from, to uint64, n, payloadBytes int) (taken int, code codec.ErrorCode) {
	blob := make([]byte, payloadBytes)
	for ; taken < n; taken++ {
		s.current = message{
			kind: msgRoute, user: to, peer: from, seq: uint64(taken + 1), parts: 1,
			payload: codec.Parts(nil).Append(codec.Part{Blob: blob}),
		}
		s.give(testNow)
		answer := s.local[len(s.local)-1]
		s.local, s.localHead = s.local[:0], 0
		if answer.kind == msgRejected {
			return taken, codec.ErrorCode(answer.code)
		}
	}
	return taken, codec.CodeNone
}

func crowdedShard(entries int, bytes int64) (s *Shard, to uint64) {
	s = quietShard()
	s.cfg.MailboxEntriesMax, s.cfg.MailboxBytesMax = entries, bytes
	return s, userOn(s.cfg.Placement, 0)
}

func TestOneFloodLeavesRoomForOthers(t *testing.T) {
	for _, c := range []struct {
		name         string
		bytes        int64
		payloadBytes int
	}{
		{"in messages", 1 << 30, 10},
		{"in bytes", 900 << 10, 1 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, to := crowdedShard(900, c.bytes)
			first, code := fill(s, to+1, to, 10_000, c.payloadBytes)
			if first < 790 || first > 802 || code != codec.CodeMailboxFull {
				t.Fatalf("alone a sender gets %d of 900 in (%v), want 8 of 9 parts", first, code)
			}
			second, _ := fill(s, to+2, to, 10_000, c.payloadBytes)
			if second < 80 || second > 95 {
				t.Errorf("the next one gets %d in, want most of the last 100", second)
			}
			if n, code := fill(s, to+3, to, 1, c.payloadBytes); n != 1 {
				t.Errorf("somebody with nothing waiting is refused: %v", code)
			}
			if s.stats.Crowded != 2 {
				t.Errorf("%d were counted as crowding, want 2", s.stats.Crowded)
			}
		})
	}
}

func TestAcknowledgedMessagesMakeRoomForTheirSender(t *testing.T) {
	s, to := crowdedShard(900, 1<<30)
	fill(s, to+1, to, 10_000, 10)
	index := s.find(to, 0, 0)
	m := s.mailboxes.At(index)
	s.mailboxEv = mailboxEvent{kind: evMessage, index: index, message: &message{kind: msgAttach, conn: 1<<32 | 5, peer: s.cfg.Incarnation, user: to}}
	s.stepMailbox(testNow)
	s.mailboxEv = mailboxEvent{kind: evMessage, index: index, message: &message{kind: msgAck, conn: 1<<32 | 5, first: m.sent}}
	s.stepMailbox(testNow)
	s.local, s.localHead = s.local[:0], 0
	if n, _ := fill(s, to+1, to, 10_000, 10); n < WindowEntriesMax-2 || n > WindowEntriesMax+2 {
		t.Errorf("after %d were acknowledged %d find room", WindowEntriesMax, n)
	}
}
