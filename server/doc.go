// Package server wires the loops, the shards and the outside world into one process.
//
// It owns configuration, listeners, the glue between netpoll and shard, metrics and the admin listener, start and
// drain. It refuses to hold protocol logic: that is shard's.
//
// Main types: Config, Server. Methods of Server may be called from any goroutine.
//
// Source: docs/operations.md.
package server
