// Package testkit lets tests run the whole conversation in one goroutine: a clock that stands still, loops that are turned
// by hand, connections that are two slices of bytes, and a client that follows the client's side of the rules.
//
// It owns no truth about the protocol beyond that client. It refuses real time, real sockets and goroutines: what a test
// sees follows from its script and its seed alone.
//
// Main types: World (clock and loops), Loop (a shard's Host), Conn (a connection seen from the client), Client (a device),
// Script (scenario files). Imported by tests only.
//
// Source: docs/protocol.md, "Delivery rules", for Client.
package testkit
