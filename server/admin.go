package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"runtime/debug"
	"sync"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// admin is the listener for operators: status, metrics, profiles. It runs on goroutines of its own, never on a loop.
type admin struct {
	listener net.Listener
	http     *http.Server
	done     chan struct{} // closed when serving has ended
}

// openAdmin listens; serving begins with serve.
func openAdmin(s *Server, addr string) (*admin, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return &admin{
		listener: newLimitedListener(ln, AdminConnectionsMax),
		http: &http.Server{
			Handler:           s.adminHandler(),
			ReadHeaderTimeout: AdminReadTimeout,
			ReadTimeout:       AdminReadTimeout,
			WriteTimeout:      AdminWriteTimeout,
			IdleTimeout:       AdminIdleTimeout,
			MaxHeaderBytes:    AdminHeaderBytesMax,
		},
		done: make(chan struct{}),
	}, nil
}

// serve answers requests until close.
func (a *admin) serve() {
	defer close(a.done)
	_ = a.http.Serve(a.listener) // always ends with ErrServerClosed or the listener's death, which /healthz shows
}

// close ends serving: requests under way have until ctx ends.
func (a *admin) close(ctx context.Context) error {
	err := a.http.Shutdown(ctx)
	if err != nil {
		err = a.http.Close()
	}
	<-a.done
	return err
}

// adminHandler is the table of pages.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", serveIndex)
	mux.HandleFunc("GET /healthz", s.serveHealth)
	mux.HandleFunc("GET /status", s.serveStatus)
	mux.HandleFunc("POST /collect", s.serveCollect)
	mux.Handle("POST /backup", &backups{server: s})
	mux.HandleFunc("POST /device/remove", s.serveDeviceRemove)
	mux.HandleFunc("GET /reports", s.serveReports)
	mux.HandleFunc("GET /guard", s.serveGuard)
	mux.Handle("GET /metrics", promhttp.HandlerFor(newRegistry(s), promhttp.HandlerOpts{MaxRequestsInFlight: AdminConnectionsMax}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol) // its protocol asks both ways
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	handler := http.MaxBytesHandler(mux, AdminBodyBytesMax)
	if s.cfg.AdminPublic {
		return handler
	}
	return onlyByAddress(handler)
}

// onlyByAddress refuses requests that name the server by anything but an address or localhost: a page in a browser
// on this machine could otherwise read it under a name of its own that resolves to 127.0.0.1.
func onlyByAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(r.Host); err == nil {
			host = h
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" && host != "" {
			http.Error(w, "ask for an address, not for a name", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func serveIndex(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprint(w, "trunkline\n\n/healthz\n/status\n/metrics\n/reports\n/guard\n/debug/pprof/\n") // the peer may be gone
}

// serveHealth is 200 while the server takes connections and every loop answers, else 503 with the reason in one line. Disk trouble is
// named and healthy: what waits is delivered, and starting anew helps no disk.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if s.draining.Load() {
		http.Error(w, "draining", http.StatusServiceUnavailable)
		return
	}
	if silent := s.gather.gather().silent(LoopSilenceMax); len(silent) > 0 {
		http.Error(w, fmt.Sprintf("loops %v do not answer", silent), http.StatusServiceUnavailable)
		return
	}
	if trouble := s.durable.trouble(); trouble != "" {
		_, _ = fmt.Fprintf(w, "ok, but new messages are refused: %s\n", trouble) // the peer may be gone
		return
	}
	_, _ = fmt.Fprintln(w, "ok") // the peer may be gone
}

func (s *Server) serveStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(s.Status()) // the peer may be gone
}

// serveCollect collects garbage and gives free memory back to the system, twice: finalizers run in between. It answers when that
// is done. The loops go on meanwhile; it costs some milliseconds of a core. A second request waits for the first.
// The header keeps pages in a browser on this machine from asking: they may send no such header to another site.
func (s *Server) serveCollect(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(collectHeader) == "" {
		http.Error(w, "set the header "+collectHeader+": 1", http.StatusForbidden)
		return
	}
	s.collecting.Lock()
	defer s.collecting.Unlock()
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	w.WriteHeader(http.StatusNoContent)
}

// collectHeader must be set on POST /collect.
const collectHeader = "X-Trunkline-Admin"

// limitedListener accepts while fewer than its limit are open; the others wait in the kernel's backlog.
type limitedListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newLimitedListener(ln net.Listener, limit int) *limitedListener {
	return &limitedListener{Listener: ln, places: make(chan struct{}, limit), closed: make(chan struct{})}
}

// Accept waits for a place, then for a connection.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &limitedConn{Conn: conn, places: l.places}, nil
}

// Close wakes an Accept that waits for a place, too.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	places chan struct{}
	once   sync.Once
}

// Close is safe to call twice.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.places })
	return err
}
