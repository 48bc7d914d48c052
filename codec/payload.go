package codec

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"sync"
)

// PayloadCompressed is the bit of Part.Kind and Deliver.Kind that says: compressed by the client. The server carries
// it like the rest of the kind and never looks inside.
const PayloadCompressed = 0x80

// PayloadGroupEvent is the kind of a payload that the server has made: an iq.Event. Kinds from PayloadServerMin to PayloadServerMax are the
// server's; a SEND with one of them is rejected with CodeUnsupported.
const (
	PayloadServerMin  = 0x70
	PayloadGroupEvent = 0x70
	// PayloadGroupPlace is the kind of an empty payload: what the sending device gets in place of its own message to a group, to know where in the
	// group's order it stands.
	PayloadGroupPlace = 0x71
	PayloadServerMax  = 0x7F
)

// CompressPayload appends payload to dst, compressed when it has PayloadDeflateBytesMin bytes or more and that saves
// bytes; compressed says which. The caller sets PayloadCompressed in the part's kind when it is.
//
// Shape: raw DEFLATE (RFC 1951), ended. Compress before encrypting: sealed bytes never shrink.
func CompressPayload(dst, payload []byte) (out []byte, compressed bool) {
	if len(payload) < PayloadDeflateBytesMin {
		return append(dst, payload...), false
	}
	out, ok := deflate(dst, payload)
	if !ok {
		return append(dst, payload...), false
	}
	return out, true
}

// ExpandPayload appends what CompressPayload compressed to dst, refusing more than maxBytes of it. Memory is bounded
// by maxBytes, whatever the payload claims.
// Errors: ErrInflate (no DEFLATE stream, cut short, or followed by more bytes), ErrInflateTooLarge; dst is then
// returned unchanged.
func ExpandPayload(dst, payload []byte, maxBytes int) ([]byte, error) {
	return inflate(dst, payload, maxBytes)
}

// The pools below hold no state that a caller could see: a compressor is reset before each use. A compressor
// weighs hundreds of kilobytes, so a loop or client shares them instead of owning one.
var (
	deflaters = sync.Pool{New: newDeflater}
	inflaters = sync.Pool{New: func() any { return newInflater() }}
)

type deflater struct {
	w   *flate.Writer
	out sliceWriter
}

// sliceWriter appends to b and refuses to grow by more than room bytes, which ends a compression that saves nothing.
type sliceWriter struct {
	b    []byte
	room int
}

var errNoSaving = errors.New("codec: compression saves nothing")

func (w *sliceWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		return 0, errNoSaving
	}
	w.room -= len(p)
	w.b = append(w.b, p...)
	return len(p), nil
}

func newDeflater() any {
	d := new(deflater)
	d.w, _ = flate.NewWriter(&d.out, flate.DefaultCompression) // only a bad level is an error
	return d
}

// deflate appends the DEFLATE stream of src to dst; ok is false, and dst unchanged, when it is not smaller than src.
func deflate(dst, src []byte) (out []byte, ok bool) {
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	d.out = sliceWriter{b: dst, room: len(src) - 1}
	d.w.Reset(&d.out)
	_, err := d.w.Write(src)
	if err == nil {
		err = d.w.Close()
	}
	out = d.out.b
	d.out.b = nil
	if err != nil {
		return dst, false
	}
	return out, true
}

type inflater struct {
	src bytes.Reader
	r   io.ReadCloser
}

func newInflater() *inflater {
	d := new(inflater)
	d.r = flate.NewReader(&d.src)
	return d
}

// inflateChunkBytes is by how much the output grows at first; it doubles after.
const inflateChunkBytes = 1 << 10

// inflate appends what the DEFLATE stream src holds to dst.
func inflate(dst, src []byte, maxBytes int) ([]byte, error) {
	d := inflaters.Get().(*inflater)
	defer inflaters.Put(d)
	d.src.Reset(src)
	defer d.src.Reset(nil) // keeps no caller's bytes alive
	if err := d.r.(flate.Resetter).Reset(&d.src, nil); err != nil {
		return dst, ErrInflate
	}
	out, chunk := dst, inflateChunkBytes
	for {
		if len(out) == cap(out) {
			out = grow(out, chunk, len(dst)+maxBytes+1)
			chunk *= 2
		}
		n, err := d.r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if len(out)-len(dst) > maxBytes {
			return dst, ErrInflateTooLarge
		}
		if err == io.EOF {
			if d.src.Len() != 0 {
				return dst, ErrInflate
			}
			return out, nil
		}
		if err != nil {
			return dst, ErrInflate
		}
	}
}

// grow gives b room for at least one and at most chunk more bytes, but not past capMax.
func grow(b []byte, chunk, capMax int) []byte {
	size := max(min(len(b)+chunk, capMax), len(b)+1)
	out := make([]byte, len(b), size)
	copy(out, b)
	return out
}
