package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
)

// Env is who runs a measurement.
type Env struct {
	// Executable is trunkline's own binary. It is started again as `serve`, and as `bench child ...` (see Child).
	Executable string
	// Progress takes lines about a long run; nil: none.
	Progress io.Writer
	// Width is the width of the terminal that Progress is, in columns; nil: it is none. On a terminal one line redraws itself.
	Width func() int
	// Command is the command line that asked for the run, for its report.
	Command []string

	rec *recorder // of the run that was begun with this Env; nil: none
}

// record begins the report of a run, its progress, and the samples of whatever server it opens. Report.ended ends all three.
func (e *Env) record(ctx context.Context, name string, inputs any) (*Report, *progress) {
	r, p := newReport(name, inputs), newProgress(e.Progress)
	p.name, p.width = name, e.Width
	r.Command = e.Command
	e.rec = startRecorder(ctx, r, p)
	r.rec = e.rec
	return r, p
}

// requireLoopback refuses an address outside loopback: what a run starts itself never leaves the machine.
func requireLoopback(addr string) error {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("%w: address %q: %w", ErrServer, addr, err)
	}
	if !ap.Addr().IsLoopback() {
		return fmt.Errorf("%w: %s is not a loopback address", ErrServer, addr)
	}
	return nil
}

// freeLoopbackAddr finds a port that is free right now. Somebody may take it before it is used: callers try again.
func freeLoopbackAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("%w: look for a free port: %w", ErrServer, err)
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
