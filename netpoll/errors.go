package netpoll

import "errors"

// Errors of Send, Post, Move and Adopt.
var (
	ErrConnUnknown     = errors.New("netpoll: no such connection")
	ErrOutboundFull    = errors.New("netpoll: outbound cap reached")
	ErrInboxFull       = errors.New("netpoll: inbox of the other loop is full")
	ErrLoopUnknown     = errors.New("netpoll: no such loop")
	ErrSlotsFull       = errors.New("netpoll: connection limit reached")
	ErrMessageTooLarge = errors.New("netpoll: message is too large")
	ErrStateTooLarge   = errors.New("netpoll: state of a connection is too large")
	ErrInboundFull     = errors.New("netpoll: input to adopt is over the inbound cap")
)

// Errors of New, Listen, Start and Post.
var (
	ErrPollerUnknown    = errors.New("netpoll: unknown poller")
	ErrClosed           = errors.New("netpoll: reactor is closed")
	ErrStarted          = errors.New("netpoll: reactor was started before")
	ErrLoopsRange       = errors.New("netpoll: number of loops is out of range")
	ErrListenersFull    = errors.New("netpoll: too many listeners")
	ErrReusePort        = errors.New("netpoll: this system does not spread connections over sockets of one port")
	ErrListenerForeign  = errors.New("netpoll: inherited listener is not a TCP listener")
	ErrListenerConflict = errors.New("netpoll: an inherited listener is one socket, ReusePort wants several")
)
