// Package client is the Go SDK: one device of one user, kept connected.
//
// It owns the client's half of the delivery rules: the outbox and its numbers (cseq), what was already seen (mailbox
// seq, ids of each stream), the inbox, resume, ticks, acknowledgements, keepalive and backoff. It owns the client's end of the
// encrypted transport: the device's keys, the server's pinned key, tickets. It refuses to know about payloads and their end-to-end
// encryption beyond the bytes it carries, and it drops nothing: when its application does not read events, it stops
// reading its socket; when the outbox is full, Send says so.
//
// Groups, profiles, contacts, blocks, privacy and lists of devices are asked for by methods that wait for the server's answer; a refusal is a
// *ServerError. What a message is addressed by, the epoch of a group or the signed devices of a user, the SDK learns by itself: a message that named
// an old one is sent again under its old id for the application, which never hears of it. It pins the key of each user's primary device at first use
// and believes no list of devices that this key has not signed.
//
// Main types: Client, Event (Message, GroupEvent, GroupPlaced, Tick, ...), State (where keys, outbox, inbox and marks live: a file, memory, or the
// application's own). Methods of Client are safe for any goroutine. Two goroutines run for each client, the reader,
// which also reconnects, and the writer; both end with Close.
//
// What holds whatever happens to processes and connections, with a State that outlives them: a message whose Send
// returned reaches the server once, in order; a received message comes again until it was acknowledged, and not after.
// A crash between Ack and its commit, which follows at once, shows a message twice. WithInbox moves the place where a message
// waits for Ack from the server to State.
//
// Who answers must prove the server's key before anything is told, the device's identity included. With a ticket the first
// flight carries HELLO and up to 16 KiB of the outbox: the answer is the login, one round trip after TCP. What a client can be made to
// believe before that proof is a retry-after, within bounds, and that a ticket is no good.
//
// An idle client costs two goroutines, a 4 KiB read buffer (two on the encrypted transport), the event channel, 40 bytes for
// each remembered message and stream, and up to 512 KiB of its newest messages, until their receivers have them.
//
// Source: docs/protocol.md.
package client
