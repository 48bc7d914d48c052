// Package shard holds the state machines of a chat conversation: sessions and mailboxes.
//
// It owns what a frame means: login, the uplink mark and first tick, the mailbox and its window, the second tick,
// receipts, presence. It is pure: events and a time come in, effects go out. It refuses to open a socket, start
// a goroutine, read a clock or block; what it needs of the world is the Host that drives it.
//
// Main types: Shard (all machines of one loop), Host (that loop, as the shard sees it), Placement (user to loop),
// and inside session and mailbox. A Shard belongs to one goroutine; shards talk only through Host.Post.
//
// Source: docs/protocol.md, "Delivery rules"; Hewitt's actors as Erlang/OTP runs them.
package shard
