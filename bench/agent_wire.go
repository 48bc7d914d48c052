package bench

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/flynn/noise"
)

// The wire between a coordinator and an agent: Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s, the pre-shared key being that of the key file.
//
//	record = length u16 | bytes
//	coordinator -> agent   record of 48 bytes: e, and a tag that only the key makes
//	agent -> coordinator   the same; or a record of 1 byte: refused, with the reason
//	then, both ways        record = encrypted (more u8 | part of a message); more is 1 until the last part
//
// A flight that was recorded opens nothing when it is sent again: the agent's ephemeral key is new each time, and it does nothing for a caller
// before a record came that was made with it. Records carry counters: none can be repeated, left out or exchanged.
const (
	wirePrologue    = "trunkline bench agent 1"
	wireFlightBytes = 48

	wireRefusedKey   = 1 // the caller has another key
	wireRefusedCrowd = 2 // too many callers that have proved nothing
)

// Errors of the wire.
var (
	errWireKey   = errors.New("the keys differ (--key-file), or it is no trunkline agent")
	errWireCrowd = errors.New("it has too many callers, try again")
	errWireLong  = errors.New("a message is longer than is allowed")
	errWireShape = errors.New("this is not the protocol of trunkline agents")
)

// wire is one side of an authenticated connection. One goroutine reads and writes.
type wire struct {
	conn       net.Conn
	seal, open *noise.CipherState
	record     []byte
}

func handshake(key []byte, initiator bool) (*noise.HandshakeState, error) {
	return noise.NewHandshakeState(noise.Config{
		CipherSuite: noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashBLAKE2s), Random: rand.Reader, Pattern: noise.HandshakeNN,
		Initiator: initiator, Prologue: []byte(wirePrologue), PresharedKey: key, PresharedKeyPlacement: 0,
	})
}

// callAgent proves the key to an agent, and has it prove its own.
func callAgent(conn net.Conn, key []byte) (*wire, error) {
	hs, err := handshake(key, true)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(agentHandshakeTimeout))
	flight, _, _, err := hs.WriteMessage(nil, nil)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn}
	if err := w.writeRecord(flight); err != nil {
		return nil, err
	}
	answer, err := w.readRecord()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errWireKey, err)
	case len(answer) == 1 && answer[0] == wireRefusedCrowd:
		return nil, errWireCrowd
	case len(answer) != wireFlightBytes:
		return nil, errWireKey
	}
	if _, w.seal, w.open, err = hs.ReadMessage(nil, answer); err != nil {
		return nil, errWireKey
	}
	return w, nil
}

// answerCaller is the agent's side. errWireKey: the caller has another key, and was told so.
func answerCaller(conn net.Conn, key []byte) (*wire, error) {
	hs, err := handshake(key, false)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(agentHandshakeTimeout))
	w := &wire{conn: conn}
	flight, err := w.readFlight()
	if err != nil {
		return nil, err
	}
	if _, _, _, err := hs.ReadMessage(nil, flight); err != nil {
		_ = w.writeRecord([]byte{wireRefusedKey})
		return nil, errWireKey
	}
	answer, open, seal, err := hs.WriteMessage(nil, nil)
	if err != nil {
		return nil, err
	}
	w.open, w.seal = open, seal
	return w, w.writeRecord(answer)
}

// readFlight reads a caller's first record, whose length is known: nothing is read for a stranger that claims another one.
func (w *wire) readFlight() ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(w.conn, head[:]); err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint16(head[:]) != wireFlightBytes {
		return nil, errWireShape
	}
	flight := make([]byte, wireFlightBytes)
	_, err := io.ReadFull(w.conn, flight)
	return flight, err
}

func (w *wire) writeRecord(b []byte) error {
	out := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(b)), uint16(len(b)))
	_, err := w.conn.Write(append(out, b...))
	return err
}

func (w *wire) readRecord() ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(w.conn, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	if cap(w.record) < n {
		w.record = make([]byte, n)
	}
	_, err := io.ReadFull(w.conn, w.record[:n])
	return w.record[:n], err
}

// say sends a message as JSON.
func (w *wire) say(v any, limit time.Duration) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > agentMessageBytesMax {
		return errWireLong
	}
	_ = w.conn.SetWriteDeadline(time.Now().Add(limit))
	for more := byte(1); more == 1; {
		n := min(len(b), agentRecordBytesMax)
		if n == len(b) {
			more = 0
		}
		record, err := w.seal.Encrypt(nil, nil, append([]byte{more}, b[:n]...))
		if err != nil {
			return err
		}
		if err := w.writeRecord(record); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// hear reads a message. What is longer than agentMessageBytesMax is not read to its end: the connection is of no use then.
func (w *wire) hear(v any, limit time.Duration) error {
	_ = w.conn.SetReadDeadline(time.Now().Add(limit))
	var b []byte
	for {
		record, err := w.readRecord()
		if err != nil {
			return err
		}
		plain, err := w.open.Decrypt(nil, nil, record)
		if err != nil {
			return fmt.Errorf("a record that is not authentic: %w", err)
		}
		switch {
		case len(plain) == 0 || plain[0] > 1:
			return errWireShape
		case len(b)+len(plain) > agentMessageBytesMax:
			return errWireLong
		}
		b = append(b, plain[1:]...)
		if plain[0] == 0 {
			return json.Unmarshal(b, v)
		}
	}
}

// NewAgentKey writes a new key into a file that must not be there yet: 64 hexadecimal digits and a newline, mode 0600.
func NewAgentKey(path string) error {
	key := make([]byte, AgentKeyBytes)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("%w: draw a key: %w", ErrGenerator, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	_, err = f.WriteString(hex.EncodeToString(key) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	return nil
}

// ReadAgentKey reads the file that NewAgentKey wrote. Others must not be able to read it.
func ReadAgentKey(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: key file: %w", ErrInput, err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: others can read the key file %s: chmod 600 %s", ErrInput, path, filepath.Clean(path))
	}
	if st.Size() > 2*AgentKeyBytes+2 {
		return nil, fmt.Errorf("%w: %s is no key file: it is too long", ErrInput, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: key file: %w", ErrInput, err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) != AgentKeyBytes || bytes.Equal(key, make([]byte, AgentKeyBytes)) {
		return nil, fmt.Errorf("%w: %s is no key file: it holds 64 hexadecimal digits (trunkline bench agent --new-key makes one)", ErrInput, path)
	}
	return key, nil
}
