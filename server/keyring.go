package server

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/codec/secure"
)

// Keyring is what a server proves its identity with. In a directory (mode 0700, files 0600) these are:
//
//	operator   the operator's Ed25519 seed: signs certificates and registration tokens. A server runs without it
//	server     the server's static X25519 key, the operator's public key, and the certificate that ties the two
//	tickets    the keys of resume tickets, the current and the one before
//	lock       held while one of them is changed
//
// Each file is replaced whole, so a crash leaves the old one or the new one. All methods may be called from any goroutine.
type Keyring struct {
	dir         string // "": in memory
	static      secure.PrivateKey
	operator    ed25519.PublicKey
	certificate secure.Certificate
	signer      *Operator // nil: the operator's key is kept elsewhere

	tickets  atomic.Pointer[secure.TicketKeys] // replaced whole, never changed
	rotating sync.Mutex                        // guards known, age and the file of the tickets
	known    time.Time                         // when age was right; with a monotonic reading
	age      time.Duration                     // of the current ticket key at known
}

// The files of a directory of keys.
const (
	operatorFile = "operator"
	serverFile   = "server"
	ticketsFile  = "tickets"
	keysFolder   = "keys" // below the data directory
)

// KeysDir is the directory of keys of a server with this configuration; "" when they live in memory.
func (c Config) KeysDir() string {
	if c.Keys != "" || c.Data == "" {
		return c.Keys
	}
	return filepath.Join(c.Data, keysFolder)
}

// NewKeys makes keys that live in memory: no client can pin them for longer than the process lives.
func NewKeys() (*Keyring, error) { return newKeys(time.Now()) }

func newKeys(now time.Time) (*Keyring, error) {
	signer, err := newOperator()
	if err != nil {
		return nil, err
	}
	k := &Keyring{signer: signer, operator: signer.Public()}
	if k.static, err = secure.GenerateKey(rand.Reader); err != nil {
		return nil, fmt.Errorf("draw a server key: %w", err)
	}
	k.certify(now)
	fresh, err := freshTickets(0, now)
	if err != nil {
		return nil, err
	}
	k.adopt(fresh, now)
	return k, nil
}

// InitKeys makes a directory of new keys. Errors: ErrKeysThere, ErrKeysExposed, ErrDataLocked, or the system's.
func InitKeys(dir string) (*Keyring, error) {
	lock, err := lockKeys(dir)
	if err != nil {
		return nil, err
	}
	k, err := initKeys(dir)
	return k, errors.Join(err, lock.Close())
}

// initKeys writes the server's file last: it is what makes a directory one of keys.
func initKeys(dir string) (*Keyring, error) {
	for _, name := range []string{operatorFile, serverFile, ticketsFile} {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %s; `trunkline keys rotate` changes keys", ErrKeysThere, path)
		}
	}
	k, err := NewKeys()
	if err != nil {
		return nil, err
	}
	k.dir = dir
	for _, write := range []func() error{k.writeOperator, k.writeTickets, k.writeServer} {
		if err := write(); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// OpenKeys reads a directory of keys. The operator's key may be missing; ticket keys that are missing are made anew, which
// costs each device one full handshake. The certificate's time is not judged: see Check.
// Errors: ErrKeysMissing, ErrKeysExposed, ErrKeysBroken, or the system's.
func OpenKeys(dir string) (*Keyring, error) {
	err := checkKeyFolder(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missingKeys(dir)
	}
	if err != nil {
		return nil, err
	}
	k := &Keyring{dir: dir}
	signer, err := OpenOperator(dir)
	if err != nil && !errors.Is(err, ErrNoOperator) {
		return nil, err
	}
	k.signer = signer
	if err := k.readServer(); err != nil {
		return nil, err
	}
	if signer != nil && !signer.Public().Equal(k.operator) {
		return nil, fmt.Errorf("%w: the operator's key in %s is not the one that certified the server key; bring the right one, "+
			"or make both anew with: trunkline keys rotate operator --force", ErrKeysBroken, dir)
	}
	return k, k.openTickets(time.Now())
}

func missingKeys(dir string) error {
	return fmt.Errorf("%w in %s; `trunkline keys init` makes some, and so does a first `trunkline serve --transport=%s`", ErrKeysMissing, dir, TransportNoise)
}

// OpenOrInitKeys reads a directory of keys, or makes new ones where none were ever made.
// Errors: as OpenKeys and InitKeys; ErrDataLocked while another process makes or changes them.
func OpenOrInitKeys(dir string) (*Keyring, error) {
	k, err := OpenKeys(dir)
	if !errors.Is(err, ErrKeysMissing) && !errors.Is(err, ErrKeysBroken) {
		return k, err
	}
	lock, err := lockKeys(dir)
	if err != nil {
		return nil, err
	}
	k, err = OpenKeys(dir) // what was missing may have been half made by another process
	if errors.Is(err, ErrKeysMissing) {
		k, err = initKeys(dir)
	}
	return k, errors.Join(err, lock.Close())
}

// lockKeys makes the folder when it is missing and takes its lock: changes of keys come one after the other.
func lockKeys(dir string) (*os.File, error) {
	if err := makeKeyFolder(dir); err != nil {
		return nil, err
	}
	return takeLock(filepath.Join(dir, lockFile))
}

// ServerKey is what clients pin.
func (k *Keyring) ServerKey() secure.ServerKey {
	return secure.ServerKey{Static: k.static.Public(), Operator: [32]byte(k.operator)}
}

// Static is the server's private key, for secure.NewResponder. It is never printed or logged.
func (k *Keyring) Static() secure.PrivateKey { return k.static }

// Certificate is what a client gets that pinned an earlier server key of the same operator.
func (k *Keyring) Certificate() secure.Certificate { return k.certificate }

// Operator is the key that certificates and operator tokens are verified with.
func (k *Keyring) Operator() ed25519.PublicKey { return k.operator }

// Dir is the directory of the keys; "" in memory.
func (k *Keyring) Dir() string { return k.dir }

// CanSign says whether the operator's private key is here.
func (k *Keyring) CanSign() bool { return k.signer != nil }

// SignToken signs a registration token: see Operator.SignToken. Errors: ErrNoOperator.
func (k *Keyring) SignToken(t secure.Token) ([]byte, error) {
	if k.signer == nil {
		return nil, noOperator(k.dir)
	}
	return k.signer.SignToken(t)
}

// Check says whether a server can be run with these keys now: a client that is shown a certificate which is not valid would
// turn away. Errors: ErrCertificateExpired, ErrCertificateEarly.
func (k *Keyring) Check(now time.Time) error {
	c := k.certificate
	switch unix := uint64(max(now.Unix(), 0)); {
	case unix < c.NotBefore:
		return fmt.Errorf("%w: it is valid from %s; is the clock of this machine right?", ErrCertificateEarly, day(c.NotBefore))
	case unix > c.NotAfter:
		return fmt.Errorf("%w on %s; renew it with: trunkline keys rotate %s --keys %s", ErrCertificateExpired, day(c.NotAfter),
			RotateCertificate, shellWord(k.dir))
	}
	return nil
}

// day writes a unix time for people.
func day(unix uint64) string { return time.Unix(int64(unix), 0).UTC().Format("2006-01-02 15:04 UTC") }

// certify signs the static key anew. It is valid a little before now: the clocks of clients are not this one.
func (k *Keyring) certify(now time.Time) {
	public := k.static.Public()
	from, to := now.Add(-CertificateClockSkew), now.Add(CertificateValidity)
	k.certificate = secure.SignCertificate(k.signer.private, &public, uint64(max(from.Unix(), 0)), uint64(max(to.Unix(), 0)))
}

func (k *Keyring) writeOperator() error { return k.signer.write(k.dir) }

func (k *Keyring) writeServer() error { return replaceKeyFile(k.dir, serverFile, k.serverText()) }

func (k *Keyring) serverText() string {
	c := &k.certificate
	return formatKeyFile("trunkline server key: whoever has it is this server",
		keyLine{"static", []string{hex.EncodeToString(k.static[:])}},
		keyLine{"operator", []string{hex.EncodeToString(k.operator)}},
		keyLine{"certificate", []string{unixWord(int64(c.NotBefore)), unixWord(int64(c.NotAfter)), hex.EncodeToString(c.Signature[:])}})
}

func replaceKeyFile(dir, name, text string) error {
	if err := replaceFile(filepath.Join(dir, name), text); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

func (k *Keyring) readServer() error {
	path := filepath.Join(k.dir, serverFile)
	text, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) && k.signer == nil {
		return missingKeys(k.dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is missing and the operator's key is there; make a server key that it certifies with: trunkline keys rotate %s --keys %s",
			ErrKeysBroken, path, RotateServer, shellWord(k.dir))
	}
	if err != nil {
		return err
	}
	if err := k.parseServer(text); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrKeysBroken, path, err)
	}
	return nil
}

func (k *Keyring) parseServer(text string) error {
	lines, err := parseKeyFile(text, "static", "operator", "certificate")
	if err != nil {
		return err
	}
	k.operator = make(ed25519.PublicKey, ed25519.PublicKeySize)
	words := lines["certificate"]
	notBefore, err1 := parseUnixWord(words, 0)
	notAfter, err2 := parseUnixWord(words, 1)
	c := secure.Certificate{NotBefore: uint64(notBefore), NotAfter: uint64(notAfter)}
	err = cmp.Or(hexWord(k.static[:], lines["static"], 0), hexWord(k.operator, lines["operator"], 0), err1, err2, hexWord(c.Signature[:], words, 2))
	if err != nil {
		return err
	}
	c.Static = k.static.Public()
	if err := c.Verify(k.operator, c.NotBefore); err != nil { // the signature only: Check judges the time
		return err
	}
	k.certificate = c
	return nil
}

// ticketLine is one ticket key in its file.
func ticketLine(name string, t *secure.TicketKey) keyLine {
	return keyLine{name, []string{strconv.Itoa(int(t.ID)), unixWord(t.Created), hex.EncodeToString(t.Secret[:])}}
}
