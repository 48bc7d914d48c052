// Package store keeps what must outlive a step: mailbox entries and their payloads.
//
// It owns the offline cache: for each loop one B-tree of fixed, pointer-free entries over counted payload
// blobs in an arena. It refuses to know what an entry means: machines in package shard decide what is appended,
// delivered and dropped. Nothing here is durable yet: see docs/architecture.md, "Durability".
//
// Main types: Mailboxes (one loop's), Entry. A Mailboxes belongs to one goroutine.
// A waiting entry costs its place in the tree (64 to 96 bytes) and its payload rounded up to a size class.
//
// Source: docs/protocol.md, "Delivery rules"; B-trees as in Bayer and McCreight (1972) by tidwall/btree.
package store
