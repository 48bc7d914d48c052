package server

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"trunkline/codec/secure"
)

// Operator is the private key of whoever runs the servers: it says which server keys are theirs and who may register.
// Its methods may be called from any goroutine.
type Operator struct {
	private ed25519.PrivateKey
}

func newOperator() (*Operator, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("draw an operator key: %w", err)
	}
	return &Operator{private}, nil
}

// OpenOperator reads the operator's key of a directory; nothing else has to be there.
// Errors: ErrNoOperator, ErrKeysExposed, ErrKeysBroken, or the system's.
func OpenOperator(dir string) (*Operator, error) {
	err := checkKeyFolder(dir)
	path := filepath.Join(dir, operatorFile)
	var text string
	if err == nil {
		text, err = readKeyFile(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noOperator(dir)
	}
	if err != nil {
		return nil, err
	}
	var seed [ed25519.SeedSize]byte
	lines, err := parseKeyFile(text, "seed")
	if err == nil {
		err = hexWord(seed[:], lines["seed"], 0)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKeysBroken, path, err)
	}
	return &Operator{ed25519.NewKeyFromSeed(seed[:])}, nil
}

func noOperator(dir string) error {
	if dir == "" {
		return ErrNoOperator
	}
	return fmt.Errorf("%w in %s; --keys names the directory that has it, and `trunkline keys init` makes one", ErrNoOperator, dir)
}

// Public is the other half of the key.
func (o *Operator) Public() ed25519.PublicKey { return o.private.Public().(ed25519.PublicKey) }

// SignToken signs a registration token: the caller fills User, Device or AnyDevice, and NotAfter; kind and id are set here.
// It returns the token's bytes: secure.TokenText writes them for people.
func (o *Operator) SignToken(t secure.Token) ([]byte, error) {
	t.Kind = secure.TokenOperator
	if _, err := rand.Read(t.ID[:]); err != nil {
		return nil, fmt.Errorf("draw a token's id: %w", err)
	}
	return secure.SignToken(o.private, &t), nil
}

func (o *Operator) write(dir string) error {
	return replaceKeyFile(dir, operatorFile, formatKeyFile("trunkline operator key: whoever has it admits users and names servers",
		keyLine{"seed", []string{hex.EncodeToString(o.private.Seed())}}))
}
