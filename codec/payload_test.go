package codec

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	r.Read(b)
	return b
}

func TestCompressPayload(t *testing.T) {
	prose := strings.Repeat("the quick brown fox jumps over the lazy dog. ", 40)
	for _, c := range []struct {
		name       string
		payload    []byte
		compressed bool
	}{
		{"nothing stays nothing", nil, false},
		{"127 bytes are left alone however well they would shrink", []byte(prose[:127]), false},
		{"128 bytes that shrink are compressed", []byte(prose[:128]), true},
		{"a long text is compressed", []byte(prose), true},
		{"noise is left alone, for it would grow", noise(4096), false},
		{"one letter 60,000 times is compressed", bytes.Repeat([]byte{'a'}, 60_000), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, compressed := CompressPayload([]byte("before"), c.payload)
			if compressed != c.compressed || !bytes.HasPrefix(out, []byte("before")) {
				t.Fatalf("compressed %v, out %q", compressed, out)
			}
			out = out[len("before"):]
			if !compressed {
				if !bytes.Equal(out, c.payload) {
					t.Fatalf("left alone but changed")
				}
				return
			}
			if len(out) >= len(c.payload) {
				t.Fatalf("%d bytes became %d", len(c.payload), len(out))
			}
			back, err := ExpandPayload([]byte("before"), out, len(c.payload))
			if err != nil || string(back) != "before"+string(c.payload) {
				t.Fatalf("expanded to %d bytes, %v", len(back), err)
			}
		})
	}
}

func TestExpandPayloadRefuses(t *testing.T) {
	bomb, _ := CompressPayload(nil, make([]byte, 10<<20))
	good, _ := CompressPayload(nil, bytes.Repeat([]byte("abc"), 100))
	for _, c := range []struct {
		name     string
		payload  []byte
		maxBytes int
		want     error
	}{
		{"a bomb", bomb, BlobBytesMax, ErrInflateTooLarge},
		{"one byte above the limit", good, 299, ErrInflateTooLarge},
		{"a stream that is cut short", good[:len(good)-1], 300, ErrInflate},
		{"bytes after the end of the stream", append(good[:len(good):len(good)], 0), 300, ErrInflate},
		{"nothing", nil, 300, ErrInflate},
		{"a reserved block type", []byte{0x07}, 300, ErrInflate},
		{"noise", noise(100), 300, ErrInflate},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := ExpandPayload([]byte("before"), c.payload, c.maxBytes)
			if !errors.Is(err, c.want) || string(out) != "before" {
				t.Fatalf("%q, %v; want %v", out, err, c.want)
			}
		})
	}
}

func TestExpandPayloadOfABombStaysSmall(t *testing.T) {
	bomb, _ := CompressPayload(nil, make([]byte, 10<<20))
	buf := make([]byte, 0, BlobBytesMax+1)
	out, err := ExpandPayload(buf, bomb, BlobBytesMax)
	if !errors.Is(err, ErrInflateTooLarge) || cap(out) != cap(buf) {
		t.Fatalf("%d bytes of room, %v", cap(out), err)
	}
	out, err = ExpandPayload(nil, bomb, 1000)
	if !errors.Is(err, ErrInflateTooLarge) || out != nil {
		t.Fatalf("%d bytes, %v", len(out), err)
	}
}

func TestCompressedIsAlwaysShorter(t *testing.T) {
	n := 0
	for same := range 400 { // noise whose beginning comes again: somewhere compression just pays, or just does not
		payload := append(noise(128+same%20), noise(same/20+3)...)
		if out, compressed := CompressPayload(nil, payload); compressed {
			n++
			if len(out) >= len(payload) {
				t.Errorf("%d bytes became %d", len(payload), len(out))
			}
		}
	}
	if n == 0 {
		t.Error("nothing was compressed")
	}
}
