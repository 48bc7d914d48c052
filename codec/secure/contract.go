package secure

import (
	"crypto/ed25519"
	"crypto/rand"
	"io"
)

// The shape of this package: types, names and layouts. Every declaration moves into the file of its noun.

// Version and the suites are the second and third byte of a flight's head. A new suite (a post-quantum hybrid, say) gets a new number.
const (
	Version               = 1
	SuiteX25519ChaChaPoly = 1 // Noise_*_25519_ChaChaPoly_SHA256
)

// FlightKind is what a flight is: the fourth byte of its head.
type FlightKind uint8

// Client flights, then server flights.
const (
	FlightContact FlightKind = 0x01 // Noise IK message 1: e, s, empty payload = 96 bytes
	FlightResume  FlightKind = 0x02 // ticket 91, then Noise NNpsk0 message 1: e, payload (early data: whole frames), tag

	FlightAccepted    FlightKind = 0x81 // Noise message 2: e, empty payload = 48 bytes; records follow
	FlightCertificate FlightKind = 0x82 // answer to a contact flight for another static key: Certificate, 113 bytes. The client may send another flight
	FlightRefusal     FlightKind = 0x83 // code u16 (codec.ErrorCode), retryAfterMs u32 = 6 bytes. Not authenticated: a hint only
)

// Head starts every flight.
// Layout, big-endian: magic 'T' 'L', version u8, suite u8, kind u8, zero u8, length u16 of the body = 8 bytes.
type Head struct {
	Version uint8
	Suite   uint8
	Kind    FlightKind
	Length  uint16
}

// ParseHead reads the first HeadBytes of b; ok is false when b is shorter and right so far. It refuses wrong bytes as soon as they are seen,
// and a client's flight whose length is wrong for its kind (contact: exactly 96; resume: 139 to FlightBytesMax less the head).
// Errors: ErrMagic, ErrVersion, ErrSuite, ErrFlightKind, ErrFlightLength.
func ParseHead(b []byte) (h Head, ok bool, err error) { panic("contract") }

// AppendHead writes a head.
func AppendHead(dst []byte, h Head) []byte { panic("contract") }

// HeadBytes, and the sizes of what flights carry.
const (
	HeadBytes        = 8
	TicketBytes      = 91
	CertificateBytes = 113
	TagBytes         = 16
)

// PrivateKey and PublicKey are X25519 keys: the server's and a device's static key.
type (
	PrivateKey [32]byte
	PublicKey  [32]byte
)

// GenerateKey draws a key. Public computes the other half.
func GenerateKey(random io.Reader) (PrivateKey, error) { panic("contract") }

// Public is the key's other half.
func (k *PrivateKey) Public() PublicKey { panic("contract") }

// Link is what an encrypted connection keeps: two keys and two counters, 80 bytes, no pointers. The zero Link has no keys yet.
// It is used by one goroutine. Source: Noise revision 34, section 5 (CipherState), empty associated data.
type Link struct {
	sealKey [32]byte
	openKey [32]byte
	sealed  uint64 // records sealed
	opened  uint64 // low 47 bits: records opened; bit 47: confirmed; high 16: bytes at the front of the input that are plaintext already
}

// Keyed says whether the handshake is over. Confirmed says whether a record of the peer was authentic under these keys:
// before, its first flight may be a replay.
func (k *Link) Keyed() bool     { panic("contract") }
func (k *Link) Confirmed() bool { panic("contract") }

// Seal appends one record holding frames (whole frames, 0 to RecordPlainMax bytes) to dst: length u16, ciphertext, tag. Allocates nothing
// when dst has room. Errors: ErrRecordTooLarge, ErrExhausted (after 2^47 records).
func (k *Link) Seal(dst, frames []byte) ([]byte, error) { panic("contract") }

// Plain gives the plaintext at the front of the input b: what was left over of the last record (or of early data), else the next record,
// opened in place; empty records are passed over. plain is b[at:at+len(plain)]. len(plain) == 0 with a nil error: nothing whole is there, at
// is what may be dropped from b. An opened record stays opened: the caller keeps what it does not Consume as changed.
// Errors: ErrRecord (forged, reordered, truncated, replayed or too short: close without a word), ErrExhausted.
func (k *Link) Plain(b []byte) (plain []byte, at int, err error) { panic("contract") }

// Consume tells that the first n bytes of the last plain were taken. It returns how many bytes behind them are to be dropped with them: the
// record's tag when nothing of it is left, else 0. So the input consumed is at + n + Consume(n).
func (k *Link) Consume(n int) (tag int) { panic("contract") }

// Confirm looks behind left-over plaintext for a first record and checks that it is authentic, without consuming it: what is opened
// is thrown away and opened again in its turn. false with nil: no whole record there. For links not Confirmed only.
func (k *Link) Confirm(b []byte) (ok bool, err error) { panic("contract") }

// Append and ParseLink carry a link to another loop or process: 80 bytes.
func (k *Link) Append(dst []byte) []byte { panic("contract") }
func ParseLink(b []byte) (Link, error)   { panic("contract") }

// Responder is the server's side of both handshakes. It belongs to one goroutine.
type Responder struct{}

// NewResponder makes one for a static key.
func NewResponder(static *PrivateKey, random io.Reader) (*Responder, error) { panic("contract") }

// Contact answers a contact flight (head included): reply is appended to dst (head included), peer is the device's static key.
// Errors: ErrHandshake (wrong server key, forged).
func (r *Responder) Contact(dst, flight []byte) (reply []byte, peer PublicKey, link Link, err error) {
	panic("contract")
}

// Resume answers a resume flight with the psk of its ticket. The early data is decrypted in place: flight[at:at+n] is plaintext then, the
// tag behind it is skipped by the link, and the link's Plain gives it for an input that starts at flight[at].
// Errors: ErrHandshake.
func (r *Responder) Resume(dst, flight []byte, psk *[32]byte) (reply []byte, link Link, at int, err error) {
	panic("contract")
}

// FlightTicket is the sealed ticket of a resume flight, head included.
func FlightTicket(flight []byte) []byte { panic("contract") }

// AppendRefusal and AppendCertificate are the server's other flights.
func AppendRefusal(dst []byte, code uint16, retryAfterMs uint32) []byte { panic("contract") }
func AppendCertificate(dst []byte, c *Certificate) []byte               { panic("contract") }

// Initiator is the client's side, between its flight and the reply.
type Initiator struct{}

// StartContact begins with a device's key and the server's pinned one. flight has its head.
func StartContact(device *PrivateKey, server *PublicKey, random io.Reader) (i *Initiator, flight []byte, err error) {
	panic("contract")
}

// StartResume begins with a ticket; early is whole frames, at most EarlyBytesMax. Errors: ErrEarlyTooLarge.
func StartResume(ticket []byte, psk *[32]byte, early []byte, random io.Reader) (i *Initiator, flight []byte, err error) {
	panic("contract")
}

// Finish takes the body of a FlightAccepted. The caller then seals a first record at once (an empty one if it has nothing to say): it confirms.
func (i *Initiator) Finish(body []byte) (Link, error) { panic("contract") }

// Reply is a server's flight, parsed.
type Reply struct {
	Kind         FlightKind
	Body         []byte // FlightAccepted: for Finish; aliases b
	Certificate  Certificate
	Code         uint16
	RetryAfterMs uint32
}

// ParseReply reads one server flight at the front of b. used == 0 with nil: more bytes are needed.
func ParseReply(b []byte) (r Reply, used int, err error) { panic("contract") }

// Ticket is what a resume ticket says once opened.
// Layout of the plaintext, big-endian: user u64, device u8, zero u8, gen u16, issued u32, expires u32 (unix seconds), psk 32, key 8, zero 2 = 62 bytes.
type Ticket struct {
	User    uint64
	Device  uint8
	Gen     uint16 // generation of the device at issue: it is revoked by raising that
	Issued  uint32
	Expires uint32
	PSK     [32]byte
	Key     [8]byte // first bytes of SHA-256 of the device's static key
}

// TicketKeys seal and open tickets: the current key seals, the current and the one before open. Pointer-free, copied by value.
// Sealed ticket: key id u8, nonce 12, ciphertext 62, tag 16 = 91 bytes; the key id is associated data.
type TicketKeys struct {
	Current  TicketKey
	Previous TicketKey // ID 0: none
}

// TicketKey is one of them. ID 1 to 255, counting up with each rotation and around.
type TicketKey struct {
	ID      uint8
	Secret  [32]byte
	Created int64 // unix seconds
}

// Rotate makes a fresh current key and keeps the old one as previous.
func (k *TicketKeys) Rotate(now int64, random io.Reader) error { panic("contract") }

// Seal appends a sealed ticket, 91 bytes.
func (k *TicketKeys) Seal(dst []byte, t *Ticket, random io.Reader) ([]byte, error) { panic("contract") }

// Open reads a sealed ticket. It does not judge expiry or generation.
// Errors: ErrTicket (forged, of another server, or of a key that is gone).
func (k *TicketKeys) Open(sealed []byte) (Ticket, error) { panic("contract") }

// Certificate names the server's static key, signed by the operator's key.
// Layout: version u8 = 1, static 32, notBefore u64, notAfter u64 (unix seconds), Ed25519 signature 64 over "trunkline certificate" and the 49 bytes = 113 bytes.
type Certificate struct {
	Static    PublicKey
	NotBefore uint64
	NotAfter  uint64
	Signature [64]byte
}

// SignCertificate makes one. Verify checks signature and validity with the pinned operator key. Errors: ErrCertificate, ErrCertificateTime.
func SignCertificate(operator ed25519.PrivateKey, static *PublicKey, notBefore, notAfter uint64) Certificate {
	panic("contract")
}
func (c *Certificate) Verify(operator ed25519.PublicKey, now uint64) error { panic("contract") }

// ServerKey is what a client pins: the server's static key and the operator's key, which may name another static key later.
// Text: "tlk1" and the base64url (no padding) of version u8 = 1, static 32, operator 32, the first 4 bytes of SHA-256 over those 65.
type ServerKey struct {
	Static   PublicKey
	Operator [32]byte // Ed25519; zero: none, the key can't be rotated
}

// ParseServerKey reads the text. Errors: ErrServerKey, with what is wrong (typing error: the checksum).
func ParseServerKey(s string) (ServerKey, error) { panic("contract") }
func (k ServerKey) String() string               { panic("contract") }

// Token lets a device register: signed by the operator, or, for a companion, by the user's primary device.
// Bytes: kind u8 (1 operator, 2 link), user u64, device u8, anyDevice u8, notAfter u64 (unix seconds), id 8 (random),
// key 32 (kind 2: the companion's static key; kind 1: absent), signature 64 over "trunkline token" and the bytes before it. Text: "tlt1" and base64url of them.
type Token struct {
	Kind      TokenKind
	User      uint64
	Device    uint8
	AnyDevice bool // kind 1: any device of the user
	NotAfter  uint64
	ID        [8]byte
	Key       PublicKey // kind 2
}

// TokenKind says who signed.
type TokenKind uint8

// The kinds of token.
const (
	TokenOperator TokenKind = 1
	TokenLink     TokenKind = 2
)

// SignToken gives the token's bytes; ParseToken reads them without checking; VerifyToken checks signature and time.
// Errors: ErrToken, ErrTokenSignature, ErrTokenExpired.
func SignToken(signer ed25519.PrivateKey, t *Token) []byte                      { panic("contract") }
func ParseToken(b []byte) (Token, error)                                        { panic("contract") }
func VerifyToken(b []byte, signer ed25519.PublicKey, now uint64) (Token, error) { panic("contract") }
func TokenText(b []byte) string                                                 { panic("contract") }
func ParseTokenText(s string) ([]byte, error)                                   { panic("contract") }

// LinkRequest is what a companion shows its primary: "tlr1" and base64url of user u64, device u8, static 32, checksum 4.
type LinkRequest struct {
	User   uint64
	Device uint8
	Static PublicKey
}

// ParseLinkRequest reads the text. Errors: ErrLinkRequest.
func ParseLinkRequest(s string) (LinkRequest, error) { panic("contract") }
func (r LinkRequest) String() string                 { panic("contract") }

// KeyName is the first 8 bytes of SHA-256 of a static key, as in Ticket.Key.
func KeyName(static *PublicKey) [8]byte { panic("contract") }

var _ = rand.Reader
