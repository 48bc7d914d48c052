package server

import (
	"context"
	"log/slog"
	"net"
)

// Config is everything `trunkline serve` can set. The zero value of a field means its default.
type Config struct {
	Listen         string // "127.0.0.1:5222"
	Admin          string // "127.0.0.1:5280"; "off" for none
	Loops          int
	Poller         string
	Data           string // directory for what is kept: the hash seed and a lock; "" keeps nothing
	MaxConnections int
	Registration   string // "open"
	Transport      string // "plain"
	ReusePort      bool
	Place          string // "home" or "accept"
	Logger         *slog.Logger
}

// Server is one running server.
type Server struct{}

// New checks cfg (ErrConfig: exit status 2) and opens the listeners (exit status 1 when that fails).
func New(cfg Config) (*Server, error) { panic("contract") }

// Run serves until ctx ends, then drains: GOAWAY with retry-after, flush, close. nil after a clean drain.
func (s *Server) Run(ctx context.Context) error { panic("contract") }

func (s *Server) Addr() net.Addr      { panic("contract") }
func (s *Server) AdminAddr() net.Addr { panic("contract") }
