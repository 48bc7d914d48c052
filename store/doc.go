// Package store keeps what must outlive a step: mailbox entries and their payloads.
//
// It owns the offline cache: for each loop one B-tree of fixed, pointer-free keys (user, device, seq), a slab of entry
// bodies, and counted payload blobs in an arena. It refuses to know what an entry means: machines in package shard
// decide what is appended, delivered and dropped. Nothing here is durable yet: see docs/architecture.md, "Durability".
//
// Main types: Mailboxes (one loop's), Entry, Key. A Mailboxes belongs to one goroutine.
// A waiting entry costs 72 to 93 bytes and its payload: 40 for the body, 32 to 39 for the key in the tree, 2 for the
// payload's length, 4 for its count, and the rounding to a size class. TestBytesOfAWaitingEntry holds the sum.
//
// Source: docs/protocol.md, "Delivery rules"; B-trees as in Bayer and McCreight (1972) by tidwall/btree.
package store
