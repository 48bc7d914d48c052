package client

import (
	"context"
	"fmt"
)

// ReadEarlier tells the sender that messages were read which have been acknowledged before, in this run or an earlier one: for an application
// that keeps a history, and whose user reads later. first and last are of one stream, and everything of it between them was read too; of both only From,
// Device, Gen, ID, Group and GroupSeq count. In a group the receipt covers everything up to last. A receipt that comes twice does no harm.
// Errors: ErrUnknownMessage (not one stream, or nothing that somebody else has sent), ErrOutboxFull, ErrClosed, ctx's.
func (c *Client) ReadEarlier(ctx context.Context, first, last Message) error {
	same := first.From == last.From && first.Device == last.Device && first.Gen == last.Gen && first.ID <= last.ID
	if last.Group != 0 {
		same = first.GroupSeq <= last.GroupSeq && last.GroupSeq != 0
	}
	if !same || first.Group != last.Group || first.ID == 0 || last.ID == 0 || first.Own || last.Own || last.From == 0 {
		return fmt.Errorf("%w: %d to %d from %d", ErrUnknownMessage, first.ID, last.ID, last.From)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(); err != nil {
		return err
	}
	if !c.up.room(0, 1) {
		return ErrOutboxFull
	}
	e := readReceipt(&last)
	if last.Group == 0 {
		e.First = first.ID
	}
	e.Time = c.cfg.now()
	e.Cseq = c.up.add(e)
	c.journal.staged.Put = append(c.journal.staged.Put, e)
	c.urgently(e.Time)
	return nil
}
