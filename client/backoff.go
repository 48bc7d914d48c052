package client

import (
	"errors"
	"time"
)

// backoff chooses how long to wait before the next attempt to connect. It belongs to the goroutine that reconnects.
type backoff struct {
	base, max time.Duration
	attempt   int
	jitter    func(time.Duration) time.Duration
}

// next is the wait before another attempt, after err ended the last one: the server's retry-after, if it named one,
// and on top of that a random time that doubles its bound with each attempt. A fleet that lost its server thus does
// not come back as one.
func (b *backoff) next(err error) time.Duration {
	bound := b.max
	if b.attempt < 32 {
		bound = min(b.max, b.base<<b.attempt)
		if bound <= 0 {
			bound = b.max
		}
	}
	b.attempt++
	wait := b.jitter(bound)
	var se *ServerError
	if errors.As(err, &se) {
		wait += min(se.RetryAfter, RetryAfterMax)
	}
	return wait
}

// reset starts over after a session that lasted.
func (b *backoff) reset() { b.attempt = 0 }

// final says whether err means: do not come back.
func final(err error) bool {
	var se *ServerError
	if errors.As(err, &se) {
		return !se.Temporary()
	}
	return errors.Is(err, ErrState) || errors.Is(err, ErrStateBehind) || errors.Is(err, ErrServerKeyChanged)
}
