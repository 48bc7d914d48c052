package server

import (
	"trunkline/store"
)

// logRecovery says what the start has found. A first start and a clean one are worth a line at info; whatever a crash has left is a warning.
func (s *Server) logRecovery(r *store.Recovery) {
	log := s.cfg.Logger.With("incarnation", hex64(s.durable.incarnation), "owner_epoch", s.durable.owner, "ack", s.cfg.Ack)
	switch {
	case r.DataLost:
		log.Error("the last server ran in memory mode and did not stop cleanly: what waited in mailboxes is lost, the incarnation is a new one")
	case r.Restored:
		log.Warn("the mailboxes are a backup: the incarnation is a new one, clients send again what the backup may not have")
	case r.New:
		log.Info("mailboxes begin")
	case r.Clean:
		log.Info("mailboxes opened", "seconds", seconds(r.Took))
	default:
		log.Warn("the last server did not stop cleanly: the journal was replayed", "rounds", r.Journal.Rounds, "records", r.Journal.Records,
			"bytes", r.Journal.Bytes, "mailboxes", r.Mailboxes, "receipts", r.Receipts, "seconds", seconds(r.Took))
	}
	for _, cut := range r.Journal.Cut {
		log.Warn("the journal has an end that was never whole: it is ignored", "path", cut.Path, "offset", cut.Offset, "bytes", cut.Bytes, "why", cut.Why)
	}
}

// reportRefusals says why messages were refused for the time being: the memory for them, or the disk.
func (s *Server) reportRefusals(times int64) {
	log := s.cfg.Logger.With("times", times, "interval", SampleInterval.String())
	if trouble := s.durable.trouble(); trouble != "" {
		log.Warn("messages were refused for the time being: the disk can't keep them", "trouble", trouble)
		return
	}
	log.Warn("messages were refused for the time being: the memory for what waits is used up", "store_bytes", int64(s.cfg.StoreBytes))
}

// trouble is why nothing can be made durable now; "" when it can.
func (d *durable) trouble() string {
	if d.keeper == nil {
		return ""
	}
	return d.keeper.Stats().Trouble
}
