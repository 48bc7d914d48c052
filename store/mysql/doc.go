// Package mysql keeps accounts and people (store.Accounts, store.People) in one or several MySQL or MariaDB databases, called shards.
//
// It owns the connections, the schema with its migrations, and the placement: which shard keeps a user. Everything of a user lies on one
// shard, so a change is one transaction there. It refuses to know who may register, and it never moves users between shards.
//
// Main types: Place (where a shard is), Accounts. Accounts may be used from any goroutine but a loop's: its methods wait for another machine,
// callDeadline at most.
//
// Placement: the first 8 bytes of HMAC-SHA256(seed, user u64 big-endian), times the number of shards, over 2^64. Seed, number and order of the
// shards are written into every shard before any is used, and compared at each start.
//
// Revocations of tickets lie with their user; the second before which no ticket counts lies on the shard of the user whose change named it, and
// the highest of all shards stands. Such a change drops the revocations of its own shard only: those of the others say no more than the second
// does, and expire.
//
// Source: optimistic retries of whole transactions as in Gray and Reuter, Transaction Processing (1993), 7; a circuit that opens as in Nygard,
// Release It! (2007), 5.2.
package mysql
