package netpoll

import "errors"

// Errors of Send, Post, Move and Adopt.
var (
	ErrConnUnknown  = errors.New("netpoll: no such connection")
	ErrOutboundFull = errors.New("netpoll: outbound cap reached")
	ErrInboxFull    = errors.New("netpoll: inbox of the other loop is full")
	ErrLoopUnknown  = errors.New("netpoll: no such loop")
	ErrSlotsFull    = errors.New("netpoll: connection limit reached")
)

// Errors of New, Listen, Start and Post.
var (
	ErrPollerUnknown = errors.New("netpoll: unknown poller")
	ErrClosed        = errors.New("netpoll: reactor is closed")
)
