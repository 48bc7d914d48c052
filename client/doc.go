// Package client is the Go SDK: one device of one user, kept connected.
//
// It owns the client's half of the delivery rules: the outbox (cseq), what was already seen (seq, stream ids),
// resume, backoff. It refuses to know about keys and plaintext beyond the bytes it carries.
//
// Main types: Client, Event, State (where outbox and marks live: a file or memory).
// Methods are safe for any goroutine; two goroutines run for each client and end with Close.
//
// Source: docs/protocol.md.
package client
