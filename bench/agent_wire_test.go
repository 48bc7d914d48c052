package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// wirePair connects both sides over loopback; a side that refuses has an error.
func wirePair(t *testing.T, callerKey, agentKey []byte) (caller, agent *wire, callerErr, agentErr error) {
	t.Helper()
	a, b := tcpPair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		agent, agentErr = answerCaller(b, agentKey)
		if agentErr != nil {
			_ = b.Close()
		}
	}()
	caller, callerErr = callAgent(a, callerKey)
	<-done
	return caller, agent, callerErr, agentErr
}

func tcpPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

func testKey(b byte) []byte { return bytes.Repeat([]byte{b}, AgentKeyBytes) }

func TestWireCarriesMessagesOfAnyAllowedLength(t *testing.T) {
	caller, agent, err, agentErr := wirePair(t, testKey(1), testKey(1))
	if err != nil || agentErr != nil {
		t.Fatal(err, agentErr)
	}
	for _, n := range []int{0, 1, agentRecordBytesMax - 2, agentRecordBytesMax, 5*agentRecordBytesMax + 7} {
		text := strings.Repeat("x", n)
		heard := make(chan error, 1)
		var got string
		go func() { heard <- agent.hear(&got, testWait) }()
		if err := caller.say(text, testWait); err != nil {
			t.Fatal(err)
		}
		if err := <-heard; err != nil || got != text {
			t.Fatalf("%d bytes: %v, %d came", n, err, len(got))
		}
	}
}

func TestWireRefusesAnotherKey(t *testing.T) {
	_, _, err, agentErr := wirePair(t, testKey(1), testKey(2))
	if !errors.Is(err, errWireKey) || !errors.Is(agentErr, errWireKey) {
		t.Errorf("caller: %v, agent: %v", err, agentErr)
	}
}

func TestWireEndsAtAMessageThatIsTooLong(t *testing.T) {
	caller, agent, err, agentErr := wirePair(t, testKey(1), testKey(1))
	if err != nil || agentErr != nil {
		t.Fatal(err, agentErr)
	}
	if err := caller.say(strings.Repeat("x", agentMessageBytesMax), testWait); !errors.Is(err, errWireLong) {
		t.Errorf("a well-behaved side says it: %v", err)
	}
	go func() { // a side that does not behave
		part := append([]byte{1}, bytes.Repeat([]byte{' '}, agentRecordBytesMax)...)
		for {
			record, err := caller.seal.Encrypt(nil, nil, part)
			if err != nil || caller.writeRecord(record) != nil {
				return
			}
		}
	}()
	var v any
	if err := agent.hear(&v, testWait); !errors.Is(err, errWireLong) {
		t.Errorf("got %v", err)
	}
}

func TestWireReadsNothingForAStrangerThatClaimsAnotherLength(t *testing.T) {
	for name, first := range map[string][]byte{
		"a long record": {0xFF, 0xFF}, "an empty record": {0, 0}, "a web browser": []byte("GET / HTTP/1.1\r\n"),
	} {
		a, b := tcpPair(t)
		if _, err := a.Write(first); err != nil {
			t.Fatal(err)
		}
		if _, err := answerCaller(b, testKey(1)); !errors.Is(err, errWireShape) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// recorded keeps what passed in one direction.
type recorded struct {
	net.Conn
	out bytes.Buffer
}

func (r *recorded) Write(b []byte) (int, error) {
	r.out.Write(b)
	return r.Conn.Write(b)
}

func TestWhatWasRecordedOpensNothingWhenItIsSentAgain(t *testing.T) {
	a, b := tcpPair(t)
	tape := &recorded{Conn: a}
	agents := make(chan *wire, 1)
	go func() {
		w, err := answerCaller(b, testKey(1))
		if err != nil {
			w = nil
		}
		agents <- w
	}()
	caller, err := callAgent(tape, testKey(1))
	agent := <-agents
	if err != nil || agent == nil {
		t.Fatal(err)
	}
	if err := caller.say(crewCommand{Do: crewHello}, testWait); err != nil {
		t.Fatal(err)
	}
	var cmd crewCommand
	if err := agent.hear(&cmd, testWait); err != nil || cmd.Do != crewHello {
		t.Fatal(cmd, err)
	}
	c, d := tcpPair(t)
	if _, err := c.Write(tape.out.Bytes()); err != nil {
		t.Fatal(err)
	}
	again, err := answerCaller(d, testKey(1))
	if err != nil {
		t.Fatal(err) // the flight itself is good: it proves that somebody had the key once
	}
	if err := again.hear(&cmd, testWait); err == nil {
		t.Error("a command that was recorded was taken again")
	}
	// And on its own connection no record is good twice.
	flight := 2 + wireFlightBytes
	if _, err := a.Write(tape.out.Bytes()[flight:]); err != nil {
		t.Fatal(err)
	}
	if err := agent.hear(&cmd, testWait); err == nil {
		t.Error("a record was taken twice")
	}
}

func TestAChangedRecordIsSeen(t *testing.T) {
	caller, agent, err, agentErr := wirePair(t, testKey(1), testKey(1))
	if err != nil || agentErr != nil {
		t.Fatal(err, agentErr)
	}
	record, err := caller.seal.Encrypt(nil, nil, append([]byte{0}, `{"do":"stat"}`...))
	if err != nil {
		t.Fatal(err)
	}
	record[3] ^= 1
	if err := caller.writeRecord(record); err != nil {
		t.Fatal(err)
	}
	var cmd crewCommand
	if err := agent.hear(&cmd, testWait); err == nil {
		t.Errorf("took %+v", cmd)
	}
}

func FuzzWireFlight(f *testing.F) {
	f.Add(append([]byte{0, wireFlightBytes}, make([]byte, wireFlightBytes)...))
	f.Add([]byte{0, wireFlightBytes, 1})
	f.Add(binary.BigEndian.AppendUint16(nil, 0xFFFF))
	f.Fuzz(func(t *testing.T, b []byte) {
		conn := &silent{in: bytes.NewReader(b)}
		if w, err := answerCaller(conn, testKey(9)); err == nil {
			t.Errorf("a stranger got through with %x: %v", b, w)
		}
		if conn.out > 3 {
			t.Errorf("a stranger was answered with %d bytes", conn.out)
		}
	})
}

// silent is a connection whose other side has said what it says.
type silent struct {
	net.TCPConn
	in  io.Reader
	out int
}

func (s *silent) Read(b []byte) (int, error)  { return s.in.Read(b) }
func (s *silent) Write(b []byte) (int, error) { s.out += len(b); return len(b), nil }

func TestAgentKeyFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := NewAgentKey(path); err != nil {
		t.Fatal(err)
	}
	key, err := ReadAgentKey(path)
	if err != nil || len(key) != AgentKeyBytes {
		t.Fatal(err)
	}
	if err := NewAgentKey(path); !errors.Is(err, ErrInput) {
		t.Errorf("a key that is there was overwritten: %v", err)
	}
	for name, change := range map[string]func() error{
		"others can read": func() error { return os.Chmod(path, 0o640) },
		"not a key":       func() error { return os.WriteFile(path, []byte("hello\n"), 0o600) },
		"too long":        func() error { return os.WriteFile(path, bytes.Repeat([]byte("a"), 100), 0o600) },
		"all zero":        func() error { return os.WriteFile(path, bytes.Repeat([]byte("0"), 64), 0o600) },
		"missing":         func() error { return os.Remove(path) },
	} {
		if err := os.WriteFile(path, []byte(strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadAgentKey(path); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
