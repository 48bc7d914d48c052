package bench

import "errors"

// Errors of Echo, Connect and Message.
var (
	// ErrInput: a number is out of its limits or the combination makes no sense. Nothing was started.
	ErrInput = errors.New("bench: wrong input")
	// ErrServer: a server could not be started, reached or read.
	ErrServer = errors.New("bench: server")
	// ErrLogin: sessions could not log in.
	ErrLogin = errors.New("bench: login")
	// ErrGenerator: this side could not do its part (descriptors, addresses).
	ErrGenerator = errors.New("bench: load generator")
)
