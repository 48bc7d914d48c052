package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"trunkline/codec/secure"
)

// Rotation says which keys RotateKeys makes anew.
type Rotation string

// What can be made anew, from what clients do not notice to what every one of them must be told.
const (
	RotateTickets     Rotation = "tickets"     // every resume ticket ends: each device does one full handshake
	RotateCertificate Rotation = "certificate" // the same server key, certified for another CertificateValidity
	RotateServer      Rotation = "server"      // a new server key of the same operator: clients with the old pin are shown the certificate
	RotateOperator    Rotation = "operator"    // new operator and server keys: every client must pin anew, every token ends
)

// Rotations are all of them, in that order.
func Rotations() []Rotation {
	return []Rotation{RotateTickets, RotateCertificate, RotateServer, RotateOperator}
}

// RotateKeys makes keys of a directory anew. A running server takes new ticket keys when it asks RotateTickets; the others it takes
// when it is started the next time. RotateCertificate and RotateServer need the operator's private key in the directory.
// Errors: ErrRotation, ErrNoOperator, ErrKeysMissing, ErrKeysExposed, ErrKeysBroken, ErrDataLocked, or the system's.
func RotateKeys(dir string, what Rotation) (*Keyring, error) {
	return rotateKeys(dir, what, time.Now())
}

func rotateKeys(dir string, what Rotation, now time.Time) (*Keyring, error) {
	rotate := map[Rotation]func(string, time.Time) error{
		RotateTickets: rotateTickets, RotateCertificate: rotateCertificate, RotateServer: rotateServer, RotateOperator: rotateOperator,
	}[what]
	if rotate == nil {
		return nil, fmt.Errorf("%w: %q is none of %v", ErrRotation, string(what), Rotations())
	}
	if err := checkKeyFolder(dir); errors.Is(err, fs.ErrNotExist) { // no folder is made for keys that are not there
		return nil, missingKeys(dir)
	}
	lock, err := lockKeys(dir)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(rotate(dir, now), lock.Close()); err != nil {
		return nil, err
	}
	return OpenKeys(dir)
}

// rotateTickets keeps no previous key: the scheduled rotation does that by itself, and who rotates by hand wants an end of it.
func rotateTickets(dir string, now time.Time) error {
	last := uint8(0)
	if old, err := readTickets(dir); err == nil {
		last = old.Current.ID
	} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrKeysBroken) {
		return err
	}
	t, err := freshTickets(last, now)
	if err != nil {
		return err
	}
	return writeTickets(dir, t)
}

func rotateCertificate(dir string, now time.Time) error {
	k := &Keyring{dir: dir}
	var err error
	if k.signer, err = OpenOperator(dir); err != nil {
		return err
	}
	if err := k.readServer(); err != nil {
		return err
	}
	if !k.signer.Public().Equal(k.operator) {
		return fmt.Errorf("%w: the operator's key in %s is not the one that certified the server key", ErrKeysBroken, dir)
	}
	k.certify(now)
	return k.writeServer()
}

// rotateServer also makes the server key of a directory that has only an operator's.
func rotateServer(dir string, now time.Time) error {
	signer, err := OpenOperator(dir)
	if err != nil {
		return err
	}
	k := &Keyring{dir: dir}
	if err := k.readServer(); err == nil && !signer.Public().Equal(k.operator) {
		return fmt.Errorf("%w: the operator's key in %s is not the one that certified the server key: clients would not accept the new one", ErrKeysBroken, dir)
	}
	return writeNewServer(dir, signer, now)
}

// rotateOperator writes the operator's key first: a crash before the server's key leaves a directory that OpenKeys refuses, with
// the command that finishes it.
func rotateOperator(dir string, now time.Time) error {
	signer, err := newOperator()
	if err != nil {
		return err
	}
	if err := signer.write(dir); err != nil {
		return err
	}
	if err := writeNewServer(dir, signer, now); err != nil {
		return err
	}
	return rotateTickets(dir, now)
}

// writeNewServer draws a static key and writes it with its certificate.
func writeNewServer(dir string, signer *Operator, now time.Time) error {
	k := &Keyring{dir: dir, signer: signer, operator: signer.Public()}
	var err error
	if k.static, err = secure.GenerateKey(rand.Reader); err != nil {
		return fmt.Errorf("draw a server key: %w", err)
	}
	k.certify(now)
	return k.writeServer()
}
