// Package secure is the encrypted transport: handshakes, records, tickets, certificates and tokens as bytes in, bytes out.
//
// It owns what stands between a TCP connection and the frames of package codec. It opens no socket, reads no clock and no
// file: callers give time as unix seconds and randomness as a reader.
//
// Main types: Responder and Initiator (the two ends of a handshake), Link (what a connection keeps afterwards: 80 bytes), TicketKeys,
// ServerKey and Token.
//
// Source: docs/protocol.md, "Encrypted transport"; The Noise Protocol Framework, revision 34.
package secure
