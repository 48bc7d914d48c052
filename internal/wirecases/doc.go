// Package wirecases is the one table of bytes on the wire: for each row a sentence about behaviour, the bytes, the
// value they mean or the error they cause. Only tests import it.
//
// It owns examples, good and malformed, of every kind of frame in each direction. It refuses to judge: the tests of
// codec, shard, server and client run the rows against their own package.
//
// Main types: Case. Cases builds a new table at each call, so a caller may scribble on the bytes.
//
// Source: docs/protocol.md.
package wirecases
