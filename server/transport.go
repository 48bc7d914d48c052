package server

import (
	"time"

	"trunkline/codec/secure"
)

// transport is what the encrypted transport needs beside the loops: keys, and who looks devices up in the accounts.
type transport struct {
	keys      *Keyring
	registrar *registrar
	rotation  time.Duration
}

// openTransport opens keys and accounts. With the plain transport there are no keys, and of the accounts nothing but the people is used.
func (s *Server) openTransport() error {
	if s.cfg.Transport != TransportNoise {
		return s.openAccounts()
	}
	keys, err := openKeyring(s.cfg.KeysDir())
	if err != nil {
		return err
	}
	if err := keys.Check(time.Now()); err != nil {
		return err
	}
	if err := s.openAccounts(); err != nil {
		return err
	}
	t := &transport{keys: keys, rotation: time.Duration(s.cfg.TicketRotation)}
	s.transport = t
	if _, err := keys.RotateTickets(time.Now(), t.rotation); err != nil {
		return err
	}
	verifier := s.cfg.Verifier
	if verifier == nil {
		verifier = NewVerifier(s.cfg.Registration, keys.Operator())
	}
	t.registrar, err = newRegistrar(registrarConfig{
		accounts: s.accounts, verifier: verifier, post: s.postLogin, now: s.nowMs, ticketLife: 2 * t.rotation,
		companions: s.cfg.Companions, log: s.cfg.Logger,
	})
	return err
}

func openKeyring(dir string) (*Keyring, error) {
	if dir == "" {
		return NewKeys()
	}
	return OpenOrInitKeys(dir)
}

// nowMs is the wall clock in unix milliseconds, for what lives longer than a process.
func (s *Server) nowMs() int64 {
	if s.cfg.hooks != nil && s.cfg.hooks.nowSec != nil {
		return s.cfg.hooks.nowSec() * 1000
	}
	return time.Now().UnixMilli()
}

// postLogin hands a loop what the registrar found.
func (s *Server) postLogin(loop int, msg []byte) error { return s.reactor.Post(loop, msg) }

// ServerKey is what clients pin; zero with the plain transport.
func (s *Server) ServerKey() secure.ServerKey {
	if s.transport == nil {
		return secure.ServerKey{}
	}
	return s.transport.keys.ServerKey()
}

// gateShared is what the loops' gates get; nil with the plain transport.
func (s *Server) gateShared() *gateShared {
	t := s.transport
	if t == nil {
		return nil
	}
	shared := &gateShared{
		admission: s.admission, registrar: t.registrar, capacity: s.capacity, keys: t.keys,
		rotation: int64(t.rotation / time.Second), share: s.cfg.HandshakeShare,
	}
	if s.cfg.hooks != nil && s.cfg.hooks.nowSec != nil {
		shared.nowSec = s.cfg.hooks.nowSec
	}
	return shared
}

// rotateTickets is called once an interval: the keys of tickets change when it is time.
func (t *transport) rotateTickets(s *Server) {
	if t == nil {
		return
	}
	changed, err := t.keys.RotateTickets(time.Now(), t.rotation)
	switch {
	case err != nil:
		s.cfg.Logger.Error("the keys of tickets did not rotate", "err", err)
	case changed:
		s.cfg.Logger.Info("the keys of tickets have rotated")
	}
}

// close ends the registrar. The loops have ended, or were never started.
func (t *transport) close() {
	if t != nil && t.registrar != nil {
		t.registrar.close()
	}
}

// closeTransport ends the clerk and the registrar, and then closes the accounts that they use.
func (s *Server) closeTransport() error {
	s.clerk.close()
	s.transport.close()
	return s.closeAccounts()
}
