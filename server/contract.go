package server

import (
	"context"
	"net"
)

// Server is one running server.
type Server struct{}

// New checks cfg (ErrConfig: exit status 2) and opens the listeners (exit status 1 when that fails).
func New(cfg Config) (*Server, error) { panic("contract") }

// Run serves until ctx ends, then drains: GOAWAY with retry-after, flush, close. nil after a clean drain.
func (s *Server) Run(ctx context.Context) error { panic("contract") }

func (s *Server) Addr() net.Addr      { panic("contract") }
func (s *Server) AdminAddr() net.Addr { panic("contract") }
