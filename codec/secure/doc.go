// Package secure is the encrypted transport: handshakes, records, tickets, certificates and tokens as bytes in, bytes out.
//
// It owns what stands between a TCP connection and the frames of package codec. It opens no socket, reads no clock and no
// file: callers give time as unix seconds and randomness as a reader.
//
// Main types: Responder and Initiator (the two ends of a handshake), Link (what a connection keeps afterwards: 80 bytes), TicketKeys,
// ServerKey and Token.
//
// A Responder and an Initiator belong to one goroutine each, so does a Link at a time; the rest are values. Records allocate nothing;
// a handshake costs the curve's multiplications (five for a contact, two for a resume) and about 140 small allocations.
//
// Source: docs/protocol.md, "Encrypted transport"; The Noise Protocol Framework, revision 34.
package secure
