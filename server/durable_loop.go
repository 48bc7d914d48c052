package server

import (
	"time"

	"trunkline/shard"
)

// The loop's side of the disk.
//
// What a shard notes in a turn is handed to the journal in OnTick, and netpoll hands the turn's messages to other loops after it. That order
// is what makes the journal's order causal: whoever learns of something from another loop notes what follows from it after its cause, so a
// journal that breaks off anywhere never holds an effect without its cause (a first tick's mark without the message, say). What is noted behind
// OnTick, by OnClose and OnWritable, is handed over on the spot for the same reason: their messages leave in this turn too.

// openDesk gives the shard its disk, when there is one.
func (h *loopHandler) openDesk(cfg *shard.Config) {
	d := h.durable
	if d.keeper == nil {
		return
	}
	h.desk = d.keeper.Desk(cfg.Loop, h.mailboxes)
	cfg.Disk, cfg.Cache = h.desk, h.mailboxes
}

// durableShard is what a shard must know of the disk.
func (s *Server) durableShard(c *shard.Config) {
	c.Incarnation, c.OwnerEpoch = s.durable.incarnation, s.durable.owner
	if s.durable.keeper == nil {
		return
	}
	c.Durable = s.cfg.Ack == AckDisk
	c.WriteBackMs = time.Duration(s.cfg.WriteBack).Milliseconds()
	c.RetentionSec = s.cfg.retentionSec()
}

// submit hands over what was noted since the last time. Without anything it only says from which turn on the journal is needed.
func (h *loopHandler) submit() {
	if h.desk != nil {
		h.desk.Submit(h.shard.LowWater())
	}
}

// submitLate is submit behind OnTick.
func (h *loopHandler) submitLate() {
	if h.desk != nil && h.desk.Noted() {
		h.submit()
	}
}
