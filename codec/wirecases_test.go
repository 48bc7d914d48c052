package codec_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"testing"

	"trunkline/codec"
	"trunkline/internal/wirecases"
)

func TestWireCases(t *testing.T) {
	for _, c := range wirecases.Cases() {
		t.Run(c.Name, func(t *testing.T) { checkCase(t, &c) })
	}
}

func checkCase(t *testing.T, c *wirecases.Case) {
	f, used, err := codec.Next(c.Bytes, c.FrameBytesMax())
	if c.AtHead {
		if !errors.Is(err, c.WantErr) || used != 0 {
			t.Fatalf("Next used %d, %v; want %v", used, err, c.WantErr)
		}
		return
	}
	if c.Want == wirecases.Partial {
		if err != nil || used != 0 {
			t.Fatalf("Next used %d, %v; want to read on", used, err)
		}
		return
	}
	if err != nil || used != len(c.Bytes) || f.Kind != c.Kind {
		t.Fatalf("Next: kind %#x, used %d of %d, %v", uint8(f.Kind), used, len(c.Bytes), err)
	}
	if c.Want == wirecases.Skipped {
		if f.Kind.Known() || !f.Kind.Skipped() {
			t.Fatalf("kind %#x is not one to skip", uint8(f.Kind))
		}
		return
	}
	value, err := wirecases.Parse(f, c.Dir)
	if !errors.Is(err, c.WantErr) || !reflect.DeepEqual(value, c.Value) {
		t.Fatalf("parsed  %+v, %v\nwant    %+v, %v", value, err, c.Value, c.WantErr)
	}
	if value == nil {
		return
	}
	again, err := wirecases.Append([]byte("before"), value)
	if err != nil || !bytes.Equal(again, append([]byte("before"), c.Bytes...)) {
		t.Fatalf("encoded %x, %v\nwant    %x", again, err, c.Bytes)
	}
}

// Bytes come in pieces: a frame must not be taken early, and must be refused no later than whole.
func TestWireCasesByteByByte(t *testing.T) {
	for _, c := range wirecases.Cases() {
		if len(c.Bytes) > 2_000 {
			continue // quadratic; the long rows differ in length only
		}
		for n := range len(c.Bytes) {
			f, used, err := codec.Next(c.Bytes[:n], c.FrameBytesMax())
			if err != nil && !c.AtHead || err != nil && !errors.Is(err, c.WantErr) {
				t.Fatalf("%s: after %d bytes: %v", c.Name, n, err)
			}
			if used != 0 || f.Body != nil {
				t.Fatalf("%s: a frame of %d bytes came out of %d", c.Name, used, n)
			}
		}
	}
}

// What Next lets through and Parse refuses must be refused again when a caller tries to say it.
func TestSendRefusedAloneComesWithItsNumber(t *testing.T) {
	alone := 0
	for _, c := range wirecases.Cases() {
		if c.Kind != codec.KindSend || c.WantErr != codec.ErrBlobTooLarge && c.WantErr != codec.ErrExtCritical {
			continue
		}
		f, _, err := codec.Next(c.Bytes, codec.FrameBytesMax)
		if err != nil {
			t.Fatal(err)
		}
		v, err := codec.ParseSend(f)
		if err != c.WantErr || v.Cseq != 13 || v.To != 1002 || v.N != 1 {
			t.Errorf("%s: %+v, %v", c.Name, v, err)
		}
		if out, err := codec.AppendSend(nil, &v); err == nil || out != nil {
			t.Errorf("%s: could be encoded", c.Name)
		}
		alone++
	}
	if alone != 2 {
		t.Errorf("%d rows, want 2", alone)
	}
}

func TestEveryFrameIsShownAsOneLineOfXML(t *testing.T) {
	for _, c := range wirecases.Cases() {
		if c.AtHead || c.Want == wirecases.Partial {
			continue
		}
		f, _, err := codec.Next(c.Bytes, codec.FrameBytesMax)
		if err != nil {
			t.Fatal(err)
		}
		line := codec.AppendXML([]byte("<line>"), f, c.Dir)
		line = append(line, "</line>"...)
		if err := wellFormed(line); err != nil || bytes.ContainsAny(line, "\n\r\x1b") {
			t.Errorf("%s: %v\n%s", c.Name, err, line)
		}
		if got := bytes.HasPrefix(line, []byte("<line><malformed")); got != (c.Want == wirecases.Refused) {
			t.Errorf("%s: shown as %s", c.Name, line)
		}
	}
}

func wellFormed(line []byte) error {
	d := xml.NewDecoder(bytes.NewReader(line))
	for {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
