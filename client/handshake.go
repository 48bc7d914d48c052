package client

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// The handshakes of the encrypted transport, before login. All run on the goroutine that logs in.
//
//	ticket:    resume(HELLO, SENDs) ->  accepted, SUCCESS, ...   one round trip
//	                                    refusal(ticket)          the ticket goes, a contact follows on the same connection
//	no ticket: contact              ->  accepted                 then HELLO, alone in the first record
//	                                    certificate              the server's key has changed: checked, pinned, another contact
//	either:                             refusal                  come back later
//
// What a refusal says is not proven: it never ends a client, and its retry-after is bounded.

// secureLogin shakes hands on conn and logs in.
func (c *Client) secureLogin(conn net.Conn) (*link, error) {
	rc := &recordConn{Conn: conn}
	hello, done, err := c.resume(rc)
	if err == nil && !done {
		hello, err = c.contact(rc)
	}
	if err != nil {
		return nil, err
	}
	in := &frameReader{conn: rc}
	success, err := readSuccess(in)
	if err != nil {
		return nil, err
	}
	l, err := c.attach(rc, in, &hello, &success)
	if err == nil {
		c.resumes = 0
	}
	return l, err
}

// resume tries the ticket. done is false when a contact is due on this connection.
func (c *Client) resume(rc *recordConn) (hello codec.Hello, done bool, err error) {
	ticket, ok := c.ticket()
	if !ok {
		return hello, false, nil
	}
	if hello, err = c.hello(); err != nil {
		return hello, false, err
	}
	early, err := c.early(&hello)
	if err != nil {
		return hello, false, err
	}
	i, flight, err := secure.StartResume(ticket.Sealed[:], &ticket.PSK, early, rand.Reader)
	if err != nil {
		return hello, false, err
	}
	c.resumes++
	reply, err := exchangeFlights(rc, flight)
	if err != nil {
		return hello, false, err
	}
	switch {
	case reply.Kind == secure.FlightAccepted:
		err = finish(rc, i, &reply)
		if err == nil {
			_, _ = rc.Write(nil) // says that the first flight was no replay. When it can't be written, reading says why
		}
		return hello, err == nil, err
	case reply.Kind == secure.FlightRefusal && codec.ErrorCode(reply.Code) == codec.CodeTicket:
		c.log.Info("ticket refused")
		c.dropTicket(&ticket)
		return hello, false, nil
	case reply.Kind == secure.FlightRefusal:
		return hello, false, unproven(&reply)
	}
	return hello, false, fmt.Errorf("%w: flight %#02x in answer to a ticket", ErrProtocol, uint8(reply.Kind))
}

// ticket is the one to try. After resumesMax attempts in vain a contact is due: it may be the ticket.
func (c *Client) ticket() (Ticket, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.identity.Ticket
	if c.generation == 0 || !t.usable(c.cfg.now()) {
		return t, false
	}
	if c.resumes >= resumesMax {
		c.resumes = 0
		return t, false
	}
	return t, true
}

// early is what the first flight says: HELLO and messages of the outbox, as many as fit. They count as sent.
func (c *Client) early(h *codec.Hello) ([]byte, error) {
	b, err := codec.AppendHello(nil, h)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.now()
	var parts codec.Parts
	for c.up.beginEarly(); ; {
		e, ok := c.up.takeEarly(now)
		if !ok {
			return b, nil
		}
		longer, p, err := appendEntryFrame(b, &e, c.known.epoch(e.Group), parts)
		if err != nil || len(longer) > secure.EarlyBytesMax {
			c.up.rewind(e.Cseq) // later, in a record
			return b, nil
		}
		b, parts = longer, p
	}
}

// contact proves both ends to each other and says HELLO in the first record.
func (c *Client) contact(rc *recordConn) (codec.Hello, error) {
	device, server, err := c.contactKeys()
	if err != nil {
		return codec.Hello{}, err
	}
	for tries := 0; ; tries++ {
		i, flight, err := secure.StartContact(&device, &server, rand.Reader)
		if err != nil {
			return codec.Hello{}, err
		}
		reply, err := exchangeFlights(rc, flight)
		if err != nil {
			return codec.Hello{}, err
		}
		switch {
		case reply.Kind == secure.FlightAccepted:
			if err := finish(rc, i, &reply); err != nil {
				return codec.Hello{}, err
			}
			return c.sayHello(rc)
		case reply.Kind == secure.FlightRefusal:
			return codec.Hello{}, unproven(&reply)
		case reply.Kind == secure.FlightCertificate && tries == 0:
			if server, err = c.certified(&reply.Certificate); err != nil {
				return codec.Hello{}, err
			}
		default:
			return codec.Hello{}, fmt.Errorf("%w: flight %#02x in answer to a contact", ErrProtocol, uint8(reply.Kind))
		}
	}
}

// contactKeys are the device's key and the server's. Who trusts a server at first sight asks with a key that nobody has: the
// answer is the server's certificate.
func (c *Client) contactKeys() (secure.PrivateKey, secure.PublicKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up.early = false // nothing has gone ahead
	if c.identity.pinned() {
		return c.identity.Key, c.identity.Server.Static, nil
	}
	nobody, err := secure.GenerateKey(rand.Reader)
	return c.identity.Key, nobody.Public(), err
}

// certified takes the server's word that its key is another one: with the signature of the pinned operator, or at first sight.
// The key is durable before it is used.
func (c *Client) certified(cert *secure.Certificate) (secure.PublicKey, error) {
	c.mu.Lock()
	server := c.identity.Server
	c.mu.Unlock()
	switch {
	case server.Static == secure.PublicKey{}: // WithTrustFirst, or Dial would have refused
		c.log.Warn("takes the server's key at first sight", "key", secure.ServerKey{Static: cert.Static}.String())
	case server.Static == cert.Static:
		return cert.Static, fmt.Errorf("%w: a certificate for the key that was asked for", ErrProtocol)
	case server.Operator == [32]byte{}:
		return cert.Static, fmt.Errorf("%w, and no operator's key is pinned that could prove the new one", ErrServerKeyChanged)
	default:
		if err := cert.Verify(server.Operator[:], uint64(c.cfg.now().Unix())); err != nil {
			return cert.Static, fmt.Errorf("%w: %w", ErrServerKeyChanged, err)
		}
		c.log.Warn("the server has a new key, certified by its operator", "key", secure.ServerKey{Static: cert.Static, Operator: server.Operator}.String())
	}
	return cert.Static, c.pin(cert.Static)
}

// sayHello writes HELLO as the first record.
func (c *Client) sayHello(rc *recordConn) (codec.Hello, error) {
	hello, err := c.hello()
	if err != nil {
		return hello, err
	}
	b, err := codec.AppendHello(nil, &hello)
	if err != nil {
		return hello, err
	}
	_, _ = rc.Write(b) // the server may have said why before it closed: reading tells
	return hello, nil
}

// exchangeFlights writes one flight and reads the answer. The server may have answered before it closed, so that reading says
// more than a write that failed.
func exchangeFlights(rc *recordConn, flight []byte) (secure.Reply, error) {
	_, werr := rc.Conn.Write(flight)
	reply, err := rc.reply()
	if err != nil && werr != nil && !errors.Is(err, ErrProtocol) {
		err = werr
	}
	return reply, err
}

// finish takes the server's half of the handshake.
func finish(rc *recordConn, i *secure.Initiator, reply *secure.Reply) error {
	link, err := i.Finish(reply.Body)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	rc.key(link)
	return nil
}

// unproven is what a refusal says. Anybody on the way could have said it.
func unproven(reply *secure.Reply) error {
	return &ServerError{
		Code: codec.ErrorCode(reply.Code), RetryAfter: min(millis(reply.RetryAfterMs), RefusalRetryMax), Unproven: true,
	}
}
