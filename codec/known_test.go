package codec_test

import (
	"errors"
	"testing"

	"trunkline/codec"
)

// A SEND may say which epoch of a group or which list of devices its sender knows: four bytes, in an item that older servers ignore.
func TestASendSaysWhatItsSenderKnows(t *testing.T) {
	epoch := codec.ExtItem{Type: codec.ExtEpoch, Value: []byte{0, 0, 1, 2}}
	for _, row := range []struct {
		name string
		ext  codec.Ext
		item uint8
		want uint32
		ok   bool
		err  error
	}{
		{"nothing", nil, codec.ExtEpoch, 0, false, nil},
		{"an epoch", codec.Ext{}.Append(epoch), codec.ExtEpoch, 258, true, nil},
		{"an epoch, and is asked for devices", codec.Ext{}.Append(epoch), codec.ExtDevices, 0, false, nil},
		{"version 0 of the devices", codec.Ext{}.Append(codec.ExtItem{Type: codec.ExtDevices, Value: make([]byte, 4)}), codec.ExtDevices, 0, true, nil},
		{"something that nobody knows before", codec.Ext{5, 0}.Append(epoch), codec.ExtEpoch, 258, true, nil},
		{"the highest epoch", codec.Ext{codec.ExtEpoch, 4, 255, 255, 255, 255}, codec.ExtEpoch, 1<<32 - 1, true, nil},
		{"an epoch twice: the first counts", codec.Ext{}.Append(epoch).Append(codec.ExtItem{Type: codec.ExtEpoch, Value: make([]byte, 4)}), codec.ExtEpoch, 258, true, nil},
		{"three bytes", codec.Ext{codec.ExtEpoch, 3, 0, 0, 1}, codec.ExtEpoch, 0, false, codec.ErrExt},
		{"five bytes", codec.Ext{codec.ExtEpoch, 5, 0, 0, 1, 2, 3}, codec.ExtEpoch, 0, false, codec.ErrExt},
		{"no bytes", codec.Ext{codec.ExtEpoch, 0}, codec.ExtEpoch, 0, false, codec.ErrExt},
	} {
		out, err := codec.AppendSend(nil, &codec.Send{Cseq: 1, To: 2, N: 1, Ext: row.ext, Parts: codec.Parts{}.Append(codec.Part{})})
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		f, _, err := codec.Next(out, codec.FrameBytesMax)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		v, err := codec.ParseSend(f)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		if got, ok, err := v.Known(row.item); got != row.want || ok != row.ok || !errors.Is(err, row.err) {
			t.Errorf("%s: %d, %v, %v", row.name, got, ok, err)
		}
	}
}
