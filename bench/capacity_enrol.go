package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// enrolTurn is how many devices are enrolled between two notes in the book.
const enrolTurn = 50_000

// asArgument is a child's orders as one argument.
func asArgument(orders any) string {
	b, err := json.Marshal(orders)
	if err != nil {
		return err.Error() // can't be: the child will say what it got
	}
	return string(b)
}

// enrol registers the devices that the directory does not know yet: each logs in by contact, gets its ticket and leaves, so that a process that may hold few
// descriptors enrols any number. It can be interrupted and goes on where it was.
func (r *capacityRun) enrol(ctx context.Context) error {
	from, to := r.book.Devices, r.cfg.Connections
	if from >= to {
		r.report.note("%d devices have their tickets already", from)
		r.out.Enrolled = from
		return nil
	}
	r.cfg.PerWorker = to // they leave at once: one process does it
	if err := r.startCrowd(ctx, to, crowdEnrolls); err != nil {
		return err
	}
	if _, err := r.crowd.list[0].ask(fmt.Sprintf("skip %d", from)); err != nil {
		return err
	}
	began := time.Now()
	for at := from; at < to; {
		at = min(at+enrolTurn, to)
		if _, err := r.crowd.list[0].ask(fmt.Sprintf("grow %d", at)); err != nil {
			return err
		}
		tickets := func(st childStat) int64 { return st.Crowd.Tickets }
		done := func(st childStat) bool { return tickets(st) >= int64(at-from) && st.Connections == 0 || st.Failed > 0 }
		st, err := r.await(ctx, "enrolling", tickets, done)
		if err == nil && st.Failed > 0 {
			err = fmt.Errorf("%w: %d sessions ended", ErrLogin, st.Failed)
		}
		if err != nil {
			return r.explain(err)
		}
		if err := r.keepDevices(at); err != nil {
			return err
		}
		r.p.now("capacity: %d devices of %d have their tickets", at, to)
	}
	r.out.Enrolled = to
	r.out.PerSecond = round(float64(to-from)/time.Since(began).Seconds(), 0)
	r.target.endWithin(stopWrittenTimeout)
	return nil
}

// keepDevices writes the first n devices and notes them in the book.
func (r *capacityRun) keepDevices(n int) error {
	if r.cfg.Devices == "" {
		return nil
	}
	if err := r.crowd.each(fmt.Sprintf("save %d", n)); err != nil {
		return err
	}
	r.book.Devices = max(r.book.Devices, n)
	return r.book.write(r.cfg.Devices)
}
