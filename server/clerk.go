package server

import (
	"cmp"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/netpoll"
	"trunkline/shard"
	"trunkline/store"
)

// clerkConfig is what a clerk works with.
type clerkConfig struct {
	people    store.People
	registrar *registrar                       // nil: plain, no device has keys
	post      func(loop int, msg []byte) error // to a loop, from any goroutine
	home      func(user uint64) int            // the loop of a user's mailboxes
	now       func() int64                     // unix milliseconds, from any goroutine
	log       *slog.Logger
	patience  time.Duration // with a loop that is overrun; 0: clerkPostPatience
}

// clerk answers what clients ask about users: profiles, contacts, blocks, privacy, devices, the account. It does so away from the loops, for its
// answers wait for the accounts. A user's requests are answered one after the other, by the worker that the user's number picks. What a loop must
// know of a change (blocks, rules, devices) is durable in the accounts first; then the user's home loop gets the whole policy, and
// writes the answer when it has it durably. So who was answered is obeyed, whatever ends in between; who was not asks again, and the policy is
// handed over again with the answer, changed or not.
type clerk struct {
	clerkConfig
	queues    [clerkWorkers]chan clerkJob
	waiting   atomic.Int64  // bytes of the requests that wait
	quit      chan struct{} // closed by close
	closing   sync.Once
	workers   sync.WaitGroup
	meters    clerkMeters
	reports   reportRing
	lastLogMs atomic.Int64
}

// clerkJob is a request of a session, or with conn 0 the rest of a deletion that a loop has begun.
type clerkJob struct {
	loop   int
	conn   shard.Conn
	user   uint64
	device uint8
	frame  codec.Frame // a copy
	remove *removal    // an operator's; nil: none
}

// newClerk starts the workers; close ends them.
func newClerk(cfg clerkConfig) *clerk {
	c := &clerk{clerkConfig: cfg, quit: make(chan struct{})}
	for i := range c.queues {
		queue := make(chan clerkJob, clerkQueueMax/clerkWorkers)
		c.queues[i] = queue
		c.workers.Go(func() { c.work(queue) }) // ends with close
	}
	return c
}

// openClerk makes the clerk. The accounts are open, the loops are not made yet: until they run nobody asks.
func (s *Server) openClerk() {
	cfg := clerkConfig{people: s.people, post: s.postLogin, home: s.placement().Home, now: s.nowMs, log: s.cfg.Logger}
	if s.cfg.hooks != nil && s.cfg.hooks.people != nil {
		cfg.people = s.cfg.hooks.people(s.people)
	}
	if s.transport != nil {
		cfg.registrar = s.transport.registrar
	}
	s.clerk = newClerk(cfg)
}

// close ends the workers after what they have in hand. Requests that still wait get no answer. Safe to call twice, and on nil.
func (c *clerk) close() {
	if c == nil {
		return
	}
	c.closing.Do(func() { close(c.quit) })
	c.workers.Wait()
}

// loopClerk is the clerk as one loop's shard knows it.
type loopClerk struct {
	clerk *clerk
	loop  int
}

// Ask implements shard.Clerk.
func (l loopClerk) Ask(conn shard.Conn, user uint64, device uint8, frame codec.Frame) bool {
	frame.Body = append([]byte(nil), frame.Body...)
	return l.clerk.take(clerkJob{loop: l.loop, conn: conn, user: user, device: device, frame: frame})
}

// take has a request wait for its user's worker. false: too many wait.
func (c *clerk) take(job clerkJob) bool {
	bytes := int64(len(job.frame.Body))
	if c.waiting.Add(bytes) > clerkQueueBytesMax {
		c.waiting.Add(-bytes)
		c.meters.full.Add(1)
		return false
	}
	select {
	case c.queues[job.user%clerkWorkers] <- job:
		c.meters.asks.Add(1)
		return true
	default:
		c.waiting.Add(-bytes)
		c.meters.full.Add(1)
		return false
	}
}

// work is one worker's goroutine.
func (c *clerk) work(queue <-chan clerkJob) {
	desk := clerkDesk{clerk: c}
	for {
		select {
		case <-c.quit:
			return
		default:
		}
		select {
		case <-c.quit:
			return
		case job := <-queue:
			c.waiting.Add(-int64(len(job.frame.Body)))
			began := time.Now()
			desk.serve(&job)
			c.meters.spentNs.Add(time.Since(began).Nanoseconds())
		}
	}
}

// clerkDesk is one worker's: the request in hand, its answer, and memory that is used again.
type clerkDesk struct {
	*clerk
	tape    codec.Tape
	request iq.Request
	answer  iq.Answer
	job     *clerkJob
	posted  bool // somebody else writes the answer
}

// serve answers one request.
func (d *clerkDesk) serve(job *clerkJob) {
	d.job, d.posted = job, false
	switch {
	case job.remove != nil:
		d.removeForOperator(job.remove)
		return
	case job.conn == 0:
		d.finishDeletion()
		return
	}
	err := iq.ParseRequest(&d.tape, job.frame, &d.request)
	d.answer = iq.Answer{Ref: d.request.Ref, Op: d.request.Op}
	switch {
	case err == nil:
		d.serveOp()
	case errors.Is(err, iq.ErrUnknown):
		d.refuse(codec.CodeUnsupported, "")
	default:
		d.refuse(codec.CodeInvalid, "")
	}
	if !d.posted {
		d.write()
	}
}

// serveOp does what the request asks for, and leaves what is to be said in d.answer.
func (d *clerkDesk) serveOp() {
	var err error
	switch d.request.Op {
	case iq.OpProfileGet:
		err = d.getProfile()
	case iq.OpProfileSet:
		err = d.setProfile()
	case iq.OpContactsGet, iq.OpBlocksGet:
		err = d.getList()
	case iq.OpContactsAdd, iq.OpContactsDrop, iq.OpBlocksAdd, iq.OpBlocksDrop:
		err = d.changeList()
	case iq.OpPrivacyGet:
		err = d.getPrivacy()
	case iq.OpPrivacySet:
		err = d.setPrivacy()
	case iq.OpDevicesGet:
		err = d.getDevices()
	case iq.OpDevicesSet:
		err = d.setDevices()
	case iq.OpDeviceRemove:
		err = d.removeDevice()
	case iq.OpAccountDelete:
		err = d.deleteAccount()
	case iq.OpReport:
		err = d.report()
	default:
		d.refuse(codec.CodeUnsupported, "")
	}
	if err != nil {
		d.fail(err)
	}
}

// refuse answers with a code and words for people.
func (d *clerkDesk) refuse(code codec.ErrorCode, text string) {
	d.answer = iq.Answer{Ref: d.answer.Ref, Op: d.answer.Op, Code: code, Text: text}
}

// fail tells the asker's faults from the server's, which are logged once in a while: the client asks again.
func (d *clerkDesk) fail(err error) {
	switch {
	case errors.Is(err, store.ErrTooMany):
		d.refuse(codec.CodeTooMany, "the list is full")
		return
	case errors.Is(err, store.ErrTooLarge), errors.Is(err, store.ErrUser):
		d.refuse(codec.CodeInvalid, "")
		return
	}
	d.refuse(codec.CodeServerFull, "accounts can't be reached")
	d.answer.RetryAfterMs = uint32(clerkRetryAfter.Milliseconds()/2 + rand.Int64N(clerkRetryAfter.Milliseconds()))
	if errors.Is(err, ErrRegistrarFull) || errors.Is(err, store.ErrSettingsChanged) {
		return // busy, not broken
	}
	d.fault(err)
}

// fault counts what the accounts could not do, and logs it once in a while.
func (d *clerkDesk) fault(err error) {
	d.meters.faults.Add(1)
	now, last := d.now(), d.lastLogMs.Load()
	if (last == 0 || now-last >= clerkLogEvery.Milliseconds() || now < last) && d.lastLogMs.CompareAndSwap(last, now) {
		d.log.Error("requests are turned away: the accounts can't be used", "err", err, "user", d.job.user, "device", d.job.device)
	}
}

// write posts the answer to the loop that asked.
func (d *clerkDesk) write() {
	frame := d.frame()
	if frame == nil {
		return
	}
	d.send(d.job.loop, appendClerkAnswer(nil, d.job.conn, frame))
}

// frame is the answer's. nil: there is nothing that could be said (a request without a number).
func (d *clerkDesk) frame() []byte {
	d.meters.answered(d.answer.Code)
	if d.answer.Ref == 0 {
		return nil
	}
	frame, err := iq.AppendAnswer(nil, &d.answer)
	if err == nil {
		return frame
	}
	d.fault(err)
	d.refuse(codec.CodeInternal, "")
	if frame, err = iq.AppendAnswer(nil, &d.answer); err != nil {
		return nil
	}
	return frame
}

// reply is the answer for whoever writes it when something has become durable.
func (d *clerkDesk) reply() shard.Reply {
	d.posted = true
	return shard.Reply{Loop: d.job.loop, Conn: d.job.conn, Frame: d.frame()}
}

// send posts to a loop. A full inbox is waited for a while; what finds no room then is lost and counted.
func (d *clerkDesk) send(loop int, msg []byte) bool {
	err := d.post(loop, msg)
	if err == nil {
		return true
	}
	tick := time.NewTicker(clerkPostEvery)
	defer tick.Stop()
	patience := time.NewTimer(cmp.Or(d.patience, clerkPostPatience))
	defer patience.Stop()
	for errors.Is(err, netpoll.ErrInboxFull) {
		select {
		case <-tick.C:
			if err = d.post(loop, msg); err == nil {
				return true
			}
		case <-patience.C:
			err = nil
		case <-d.quit:
			err = nil
		}
	}
	d.meters.lost.Add(1)
	return false
}
