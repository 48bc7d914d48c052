package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"trunkline/client"
)

const recvHelp = `Usage: trunkline recv --user ME [flags]

Receives messages and prints each as one line of JSON: id (the sender's number), from, device and gen (the sender's),
to, text (or data, base64, for what is not UTF-8) and ts (unix seconds, when the server took it). A message to a group has group
and group_seq in place of to; own is true for what another device of this user has sent. What happens in a group is a line too, which
--count does not count: event (created, added, removed, promoted, demoted, left, subject, invite, joined), group, group_seq, by, users, subject, epoch, ts.
A message is acknowledged after its line was written, so none is lost whenever the command ends; a line whose
acknowledgement got lost with a killed process comes again. What came while this device was sending comes first.
Exit status: 0 all of --count came, 1 an error, 2 wrong flags, 3 they did not come in time.
`

const (
	// recvTimeout is the default of recv --timeout.
	recvTimeout = 5 * time.Second
	// recvFlush is how long recv --read waits at its end for the server to take the read receipts. They stay in the outbox.
	recvFlush = 3 * time.Second
)

type recvOptions struct {
	deviceOptions
	count   int
	timeout time.Duration
	read    bool
}

// runRecv prints messages.
func runRecv(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	var o recvOptions
	fs := o.flags()
	if err := o.parse(fs, args); err != nil {
		return talkError("recv", recvHelp, fs, err, stdout, stderr)
	}
	ctx, stop := waitContext(o.timeout)
	defer stop()
	state, err := o.open()
	if err != nil {
		return failed("recv", err, stderr)
	}
	code := o.run(ctx, state, stdout, stderr)
	if err := state.Close(); err != nil && code == exitOK {
		return failed("recv", err, stderr)
	}
	return code
}

func (o *recvOptions) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("recv", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o.add(fs)
	fs.IntVar(&o.count, "count", 1, "return after this `number` of messages; 0 prints what comes until --timeout, with status 0")
	fs.DurationVar(&o.timeout, "timeout", recvTimeout, "give up after this `time`; 0 waits for ever")
	fs.BoolVar(&o.read, "read", false, "tell the senders that their messages were read")
	return fs
}

func (o *recvOptions) parse(fs *flag.FlagSet, args []string) error {
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	switch {
	case o.count < 0:
		return fmt.Errorf("--count %d is negative", o.count)
	case o.timeout < 0:
		return fmt.Errorf("--timeout %v is negative", o.timeout)
	}
	return o.check()
}

// run receives and prints.
func (o *recvOptions) run(ctx context.Context, state client.State, stdout, stderr io.Writer) int {
	c, err := client.Dial(ctx, o.server, o.options(state)...)
	if err != nil {
		if code := interrupted(ctx, "recv", fmt.Sprintf("no login at %s within %v", o.server, o.timeout), stderr); code != exitOK {
			return code
		}
		return failed("recv", err, stderr)
	}
	got, err := o.receive(ctx, c, stdout)
	if o.read {
		o.flush(c)
	}
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	switch {
	case err == nil:
		return exitOK
	case !errors.Is(err, ctx.Err()):
		return failed("recv", err, stderr)
	case o.count == 0:
		return exitOK
	}
	return interrupted(ctx, "recv", fmt.Sprintf("%d of %d messages within %v", got, o.count, o.timeout), stderr)
}

// receive prints up to count messages and acknowledges each behind its line.
func (o *recvOptions) receive(ctx context.Context, c *client.Client, stdout io.Writer) (got int, err error) {
	for o.count == 0 || got < o.count {
		select {
		case ev, open := <-c.Events():
			if !open {
				return got, c.Err()
			}
			if change, ok := ev.(client.GroupEvent); ok {
				if err := printGroupEvent(stdout, &change); err != nil {
					return got, err
				}
			}
			m, ok := ev.(client.Message)
			if !ok {
				continue
			}
			if err := o.print(stdout, &m); err != nil {
				return got, err
			}
			if err := o.keep(ctx, c, m); err != nil {
				return got, err
			}
			got++
		case <-ctx.Done():
			return got, ctx.Err()
		}
	}
	return got, nil
}

// keep acknowledges m. An outbox that has no room for a read receipt is no reason to print a message twice.
func (o *recvOptions) keep(ctx context.Context, c *client.Client, m client.Message) error {
	if o.read {
		if err := c.Read(ctx, m); err == nil {
			return nil
		}
	}
	return c.Ack(m)
}

// flush waits until the server has the read receipts, but not long. Events are dropped: what is not acknowledged
// comes again.
func (o *recvOptions) flush(c *client.Client) {
	late := time.NewTimer(recvFlush)
	defer late.Stop()
	for c.Outstanding() > 0 {
		select {
		case _, open := <-c.Events():
			if !open {
				return
			}
		case <-late.C:
			return
		}
	}
}

// print writes one message as one line, with one write.
func (o *recvOptions) print(w io.Writer, m *client.Message) error {
	line := struct {
		ID       uint64  `json:"id"`
		From     uint64  `json:"from"`
		Device   uint8   `json:"device"`
		Gen      uint16  `json:"gen"`
		To       uint64  `json:"to,omitempty"`
		Group    string  `json:"group,omitempty"`
		GroupSeq uint64  `json:"group_seq,omitempty"`
		Own      bool    `json:"own,omitempty"`
		Text     *string `json:"text,omitempty"`
		Data     string  `json:"data,omitempty"`
		TS       int64   `json:"ts"`
	}{
		ID: m.ID, From: m.From, Device: m.Device, Gen: m.Gen, To: uint64(o.user), GroupSeq: m.GroupSeq, Own: m.Own, TS: m.Time.Unix(),
	}
	switch {
	case m.Group != 0:
		line.To, line.Group = 0, client.GroupName(m.Group)
	case m.Own:
		line.To = m.To
	}
	line.Text, line.Data = textOrData(m.Payload)
	return printJSON(w, line)
}

// printGroupEvent writes one change of a group as one line.
func printGroupEvent(w io.Writer, ev *client.GroupEvent) error {
	return printJSON(w, struct {
		Event    string   `json:"event"`
		Group    string   `json:"group"`
		GroupSeq uint64   `json:"group_seq"`
		By       uint64   `json:"by"`
		Users    []uint64 `json:"users,omitempty"`
		Subject  string   `json:"subject,omitempty"`
		Epoch    uint32   `json:"epoch"`
		TS       int64    `json:"ts"`
	}{
		Event: ev.Change.String(), Group: client.GroupName(ev.Group), GroupSeq: ev.GroupSeq, By: ev.By, Users: ev.Users, Subject: ev.Subject,
		Epoch: ev.Epoch, TS: ev.Time.Unix(),
	})
}
