// Package store keeps what must outlive a step: mailbox entries and their payloads; and what must outlive the process: accounts.
//
// It owns the offline cache: for each loop a slab of entries, which are lists by mailbox, a table that finds them, a B-tree of
// pointer-free keys (user, device, seq) for what lies deep in them, and counted payload blobs in an arena. It refuses to know what an entry means: machines in package shard
// decide what is appended, delivered and dropped. Mailboxes are not durable yet: see docs/architecture.md, "Durability".
//
// It owns the accounts: users, devices with their keys and generations, used registration tokens, revocations of tickets; and what
// users say of themselves and of others (People). Package store/mysql keeps the same in databases elsewhere. It
// refuses to know who may register: keys and tokens are bytes to it. A change that Apply returned from is on the disk.
//
// Main types: Mailboxes (one loop's), Entry, Key; Accounts, Device. A Mailboxes belongs to one goroutine. Accounts may be used from
// any goroutine but a loop's, since they wait for the disk.
// A waiting entry costs 65 to 95 bytes and its payload: 64 for the entry, up to 20 for its mailbox in the table, 2 for the
// payload's length, 4 for its count, and the rounding to a size class. TestBytesOfAWaitingEntry holds the sum.
// An account costs no memory while nobody asks for it; on the disk a user with one device takes about 200 bytes.
//
// Records of accounts, numbers big-endian, the first byte of each value its version (1):
//
//	key                            value
//	'd' user u64, device u8        linkedBy u8, gen u16, static 32, sign 32, token u64, registeredSec u64     84 bytes
//	'u' user u64                   devices u8, createdSec u64                                                 10 bytes
//	't' user u64, id 8             device u8, static 32, expiresSec u64                                       42 bytes
//	'r' user u64, device u8        zero u8, gen u16, untilSec u64                                             12 bytes
//	'p' user u64                   changedSec u64, lengths of name, about and picture u16 each, name, about, picture
//	's' user u64                   presence, lastSeen, profile u8, version, devicesVersion u32, devices, signature u8,
//	                               contacts, blocked u16 (counts), then devices u8, signature, contacts u64, blocked u64
//	'm' 'v'                        the accounts' version, u16 (no version byte, as below)
//	'm' 'i'                        tickets issued before this unix second are refused, u64
//	'm' 'n'                        how often something was made durable, u64
//
// Source: docs/protocol.md, "Delivery rules"; B-trees as in Bayer and McCreight (1972) by tidwall/btree; log-structured merge
// trees as in O'Neil and others (1996) by Pebble.
package store
