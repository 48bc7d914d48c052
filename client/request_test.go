package client

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
)

func TestARequestIsAnsweredUnderItsRef(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		type got struct {
			list []uint64
			err  error
		}
		contacts := later(func() got { l, err := c.Contacts(t.Context()); return got{l, err} })
		first := p.request(iq.OpContactsGet)
		blocks := later(func() got { l, err := c.Blocks(t.Context()); return got{l, err} })
		second := p.request(iq.OpBlocksGet)
		p.answer(&second, iq.Answer{Users: []uint64{7}, More: 7}) // the later one first, in two pages
		more := p.request(iq.OpBlocksGet)
		if more.Cursor != 7 {
			t.Errorf("the second page is asked for at %d", more.Cursor)
		}
		p.answer(&more, iq.Answer{Users: []uint64{9}})
		p.answer(&first, iq.Answer{Code: codec.CodeRateLimited, RetryAfterMs: 1500, Text: "slowly"})
		var se *ServerError
		if r := contacts(); !errors.As(r.err, &se) || se.Code != codec.CodeRateLimited || se.RetryAfter != 1500*time.Millisecond || se.Text != "slowly" {
			t.Errorf("contacts: %v, %v", r.list, r.err)
		}
		if r := blocks(); r.err != nil || !slices.Equal(r.list, []uint64{7, 9}) {
			t.Errorf("blocks: %v, %v", r.list, r.err)
		}
		noEvent(t, c)
		closeClient(t, c)
	})
}

func TestAServerThatKnowsNoRequestsSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		err := later(func() error { return c.AddContacts(t.Context(), 5) })
		r := p.request(iq.OpContactsAdd)
		p.refuse(codec.CodeUnsupported, uint64(r.Ref), 0)
		if err := err(); !errors.Is(err, &ServerError{Code: codec.CodeUnsupported}) {
			t.Errorf("error %v", err)
		}
		p.refuse(codec.CodeUnsupported, uint64(r.Ref), 0) // nobody waits any more: an event, as ever
		want[Refused](t, c)
		closeClient(t, c)
	})
}

func TestALostConnectionAsksAgainWhatMayBeDoneTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		create := later(func() error { _, _, err := c.CreateGroup(t.Context(), "lunch", 5); return err })
		r := p.request(iq.OpGroupCreate)
		remove := later(func() error { _, _, err := c.RemoveMembers(t.Context(), testGroup, 5); return err })
		p.request(iq.OpGroupRemove)
		p.close()
		if err := remove(); !errors.Is(err, ErrInterrupted) {
			t.Errorf("remove: %v", err)
		}
		p, _ = f.again(c, welcome(0))
		again := p.request(iq.OpGroupCreate)
		if again.Token != r.Token || again.Token == 0 || again.Text != "lunch" {
			t.Errorf("asked again for %+v, at first for %+v", again, r)
		}
		p.answer(&again, iq.Answer{Group: iq.GroupInfo{Group: testGroup, Epoch: 1, Seq: 1, Creator: testUser, Count: 2}})
		if err := create(); err != nil {
			t.Errorf("create: %v", err)
		}
		p.quiet(time.Minute)
		closeClient(t, c)
	})
}

func TestARequestIsNotAskedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		err := later(func() error { _, err := c.Contacts(t.Context()); return err })
		for try := 1; ; try++ {
			p.request(iq.OpContactsGet)
			p.close()
			if try == requestTriesMax {
				break
			}
			p, _ = f.again(c, welcome(0))
		}
		if err := err(); !errors.Is(err, ErrInterrupted) {
			t.Errorf("error %v", err)
		}
		closeClient(t, c)
	})
}

func TestRequestsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		ctx, cancel := context.WithCancel(t.Context())
		var ends []func() error
		for range RequestsMax {
			ends = append(ends, later(func() error { _, err := c.Privacy(ctx); return err }))
			p.request(iq.OpPrivacyGet)
		}
		if _, err := c.Privacy(ctx); !errors.Is(err, ErrTooManyRequests) {
			t.Errorf("one more: %v", err)
		}
		cancel()
		for _, end := range ends {
			if err := end(); !errors.Is(err, context.Canceled) {
				t.Errorf("given up: %v", err)
			}
		}
		err := later(func() error { _, err := c.Privacy(t.Context()); return err })
		r := p.request(iq.OpPrivacyGet)
		p.answer(&r, iq.Answer{Privacy: iq.Privacy{Presence: iq.RuleNobody}})
		if err := err(); err != nil {
			t.Error(err)
		}
		if n := len(c.questions.open); n != 0 {
			t.Errorf("%d requests are still open", n)
		}
		closed := later(func() error { _, err := c.Privacy(t.Context()); return err })
		p.request(iq.OpPrivacyGet)
		closeClient(t, c)
		if err := closed(); !errors.Is(err, ErrClosed) {
			t.Errorf("closed meanwhile: %v", err)
		}
	})
}

func TestADeletedAccountIsAnsweredByItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		err := later(func() error { return c.DeleteAccount(t.Context()) })
		p.request(iq.OpAccountDelete)
		p.refuse(codec.CodeDeviceRemoved, 0, 0)
		if err := err(); err != nil {
			t.Errorf("delete: %v", err)
		}
		want[Disconnected](t, c)
		if _, open := <-c.Events(); open || !errors.Is(c.Err(), ErrDeviceRemoved) {
			t.Errorf("the client goes on: %v", c.Err())
		}
		closeClient(t, c)
	})
}

func TestWhatCanNotBeAskedIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0), WithDevice(2))
		ctx := t.Context()
		for name, row := range map[string]struct{ got, want error }{
			"a group that is a user":    {second(c.Group(ctx, 5)), ErrGroup},
			"a message to such a group": {second(c.SendGroup(ctx, 5, nil)), ErrGroup},
			"user 0 as a contact":       {c.AddContacts(ctx, 0), ErrReceiver},
			"an account of a companion": {c.DeleteAccount(ctx), ErrNotPrimary},
			"a list by a companion":     {second(c.SignDevices(ctx, 1)), ErrNotPrimary},
			"the primary removed":       {c.RemoveDevice(ctx, 0), ErrDeviceList},
			"another one removed":       {c.RemoveDevice(ctx, 1), ErrNotPrimary},
			"nobody reported":           {c.Report(ctx, Complaint{}), ErrReceiver},
			"a long subject":            {second(c.SetSubject(ctx, testGroup, string(make([]byte, iq.SubjectBytesMax+1)))), ErrRequest},
		} {
			if !errors.Is(row.got, row.want) {
				t.Errorf("%s: %v, want %v", name, row.got, row.want)
			}
		}
		p.quiet(time.Second)
		closeClient(t, c)
	})
}

// second is the error of a call that returns two values.
func second[V any](_ V, err error) error { return err }
