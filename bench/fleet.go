package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"trunkline/netpoll"
)

// Commands to a loop, the first byte of a posted message.
const (
	cmdAdopt    byte = iota + 1 // fd u32, index u32: take over a connection; a sessionLoop takes several in one message
	cmdBegin                    // start the traffic that the loop was told of
	cmdPace                     // look at the clock and send what is due
	cmdMeasure                  // forget the latencies of the warm-up
	cmdMeasured                 // what is due from now on no longer counts for the latency
	cmdLogins                   // hand out the login latencies and begin anew
	cmdStop                     // send nothing new; wait for what is under way
	cmdResume                   // devices that hold a ticket come back with it
	cmdContact                  // all devices come back with a contact flight
	cmdPrepare                  // make the resume flights of all devices that hold a ticket
	cmdCut                      // close every connection
	cmdSay                      // frames: session 0 of the loop sends them
	cmdAway                     // close the connections of those who do not write
)

// adoptBytes is the length of cmdAdopt.
const adoptBytes = 9

// fleet is the generator's side: connections on a few loops.
type fleet struct {
	reactor *netpoll.Reactor
	dial    *dialer
	recall  *recall            // nil: nobody comes back
	ended   context.CancelFunc // ends the recall's goroutines
	dialing sync.WaitGroup
}

// newFleet starts the loops for at most `connections` connections to addr.
func newFleet(addr string, loops, connections int, newHandler func(f *fleet, l *netpoll.Loop) netpoll.Handler) (*fleet, error) {
	f := &fleet{dial: newDialer(addr)}
	cfg := netpoll.Config{Loops: loops, ConnectionsMax: connections + 1}
	r, err := netpoll.New(cfg, func(l *netpoll.Loop) netpoll.Handler { return newHandler(f, l) })
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	f.reactor = r
	if err := r.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	return f, nil
}

// connect makes connections numbered from..to-1 and gives each to the loop that loopOf names. It returns when all are
// handed over, not when they are logged in.
func (f *fleet) connect(ctx context.Context, from, to int, loopOf func(index int) int) error {
	return f.dial.run(ctx, from, to, func(fd, index int) error {
		return f.handOver(ctx, fd, index, loopOf(index))
	})
}

// startRecall lets connections come back: each that the recall names is dialed and handed to the loop that loopOf names.
func (f *fleet) startRecall(c clock, loopOf func(index int) int) {
	ctx, cancel := context.WithCancel(context.Background())
	f.recall, f.ended = newRecall(c), cancel
	due := make(chan uint32, dialsMax)
	f.dialing.Add(1 + dialers)
	// Ends with ctx, which close cancels.
	go func() {
		defer f.dialing.Done()
		f.recall.run(ctx, due)
	}()
	for range dialers {
		go f.dialDue(ctx, due, loopOf) // ends with ctx, which close cancels
	}
}

// dialDue makes connections until ctx ends.
func (f *fleet) dialDue(ctx context.Context, due <-chan uint32, loopOf func(index int) int) {
	defer f.dialing.Done()
	for {
		select {
		case <-ctx.Done():
			return
		case index := <-due:
			f.dialAgain(ctx, int(index), loopOf)
		}
	}
}

// dialAgain makes one connection; where that fails it is tried again later, as a client would.
func (f *fleet) dialAgain(ctx context.Context, index int, loopOf func(index int) int) {
	f.dial.borrow()
	fd, err := f.dial.connect(ctx, index)
	if err == nil {
		err = f.handOver(ctx, fd, index, loopOf(index))
	}
	if err != nil && ctx.Err() == nil {
		f.dial.release()
		f.dial.unreachable.Add(1)
		f.dial.trouble.CompareAndSwap(nil, &err)
		f.recall.add(uint32(index), f.recall.clock.now()+int64(unreachablePause))
	}
}

// handOver gives a connection to a loop.
func (f *fleet) handOver(ctx context.Context, fd, index, loop int) error {
	var msg [adoptBytes]byte
	msg[0] = cmdAdopt
	binary.BigEndian.PutUint32(msg[1:], uint32(fd))
	binary.BigEndian.PutUint32(msg[5:], uint32(index))
	return f.post(ctx, loop, msg[:])
}

// post hands a message to a loop; a full inbox is waited for.
func (f *fleet) post(ctx context.Context, loop int, msg []byte) error {
	for {
		err := f.reactor.Post(loop, msg)
		if !errors.Is(err, netpoll.ErrInboxFull) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// tell posts a command to every loop.
func (f *fleet) tell(ctx context.Context, command byte) error {
	for i := range f.reactor.Loops() {
		if err := f.post(ctx, i, []byte{command}); err != nil {
			return fmt.Errorf("%w: %w", ErrGenerator, err)
		}
	}
	return nil
}

// close ends all connections and loops; afterwards the handlers' fields may be read by the caller.
func (f *fleet) close() {
	if f.ended != nil {
		f.ended()
		f.dialing.Wait()
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	_ = f.reactor.Shutdown(ctx) // the run is over: there is nobody to tell that a flush took too long
}

// adopt takes over the connection of a cmdAdopt message; its OnOpen gets the index as State.
func (f *fleet) adopt(l *netpoll.Loop, msg []byte) error {
	if len(msg) != adoptBytes {
		return fmt.Errorf("%w: adopt message of %d bytes", ErrGenerator, len(msg))
	}
	_, err := l.Adopt(int(binary.BigEndian.Uint32(msg[1:])), msg[5:], nil, nil)
	return err
}

// indexOf reads the number that adopt put into State.
func indexOf(info netpoll.OpenInfo) uint32 {
	if len(info.State) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(info.State)
}

// quiet answers the calls that a handler of this package has no use for.
type quiet struct{}

// OnHalfClose does nothing: a server that stops talking is seen by what is missing.
func (quiet) OnHalfClose(netpoll.ConnID) {}

// OnWritable does nothing: windows keep the output small.
func (quiet) OnWritable(netpoll.ConnID) {}

// OnTimer does nothing.
func (quiet) OnTimer(netpoll.ConnID) {}

// OnTick does nothing.
func (quiet) OnTick() {}
