package main

import (
	"bufio"
	"encoding/base64"
	"errors"
	"flag"
	"io"

	"trunkline/store"
)

const storeExportHelp = `Usage: trunkline store export [--data DIR] --user U [--device D]

Prints a user's mailboxes as lines of JSON: for each device one line {"type":"head",...}, and behind it one line for each thing that
waits: "message", "rejection" or "receipt". Payloads are in base64, as clients sent them. Device 255 is no device: "state" is what the server
remembers of the user, in pieces, and 254 what it has yet to go on with. It changes nothing.
Exit status: 0 printed, 1 nobody of that name or an error, 2 wrong flags.
`

func (o *storeOptions) exportFlags(fs *flag.FlagSet) {
	fs.Var(&o.user, "user", "the `user` (a number of up to 18 digits)")
	fs.Var(&o.device, "device", "`number` of the device, 0 to 255; without it all of them")
}

func (o *storeOptions) checkExport(fs *flag.FlagSet) error {
	if o.user == 0 {
		return errors.New("--user says whose mailboxes and is required")
	}
	o.devices = !given(fs, "device")
	return nil
}

// storeExport prints lines.
func storeExport(o *storeOptions, stdout, stderr io.Writer) int {
	d, held, err := o.hold(false)
	if err != nil {
		return storeFailed(o.verb, err, stderr)
	}
	var device *uint8
	if !o.devices {
		device = (*uint8)(&o.device)
	}
	out := bufio.NewWriter(stdout)
	err = d.Export(uint64(o.user), device,
		func(h *store.Head) error { return printJSON(out, exportHead(h)) },
		func(e *store.Entry, payload []byte) error { return printJSON(out, exportEntry(e, payload)) })
	if err = errors.Join(err, out.Flush(), held.Close()); err != nil {
		return storeFailed(o.verb, err, stderr)
	}
	return exitOK
}

// headLine and entryLine are the lines of an export. Their keys are documented in docs/operations.md and never renamed.
type headLine struct {
	Type         string `json:"type"`
	User         uint64 `json:"user"`
	Device       uint8  `json:"device"`
	Gen          uint16 `json:"gen"`
	Registered   uint16 `json:"registered"`
	Token        uint32 `json:"token"`
	Epoch        uint32 `json:"epoch"`
	Flags        uint8  `json:"flags"`
	SeenUnix     uint32 `json:"seen_unix"`
	OwnerEpoch   uint32 `json:"owner_epoch"`
	Mark         uint64 `json:"mark"`
	Last         uint64 `json:"last"`
	Acked        uint64 `json:"acked"`
	Messages     uint32 `json:"messages"`
	Notices      uint32 `json:"notices"`
	Rejections   uint32 `json:"rejections"`
	PayloadBytes uint64 `json:"payload_bytes"`
}

type entryLine struct {
	Type       string `json:"type"`
	User       uint64 `json:"user"`
	Device     uint8  `json:"device"`
	Seq        uint64 `json:"seq"`
	Kind       uint8  `json:"kind"`
	Flags      uint8  `json:"flags"`
	Code       uint8  `json:"code"`
	Peer       uint64 `json:"peer"`
	PeerDevice uint8  `json:"peer_device"`
	Gen        uint16 `json:"gen"`
	First      uint64 `json:"first"`
	Last       uint64 `json:"last"`
	TimeUnix   uint32 `json:"time_unix"`
	PayloadTag uint8  `json:"payload_tag"`
	Payload    string `json:"payload"`
}

func exportHead(h *store.Head) headLine {
	return headLine{
		Type: "head", User: h.User, Device: h.Device, Gen: h.Gen, Registered: h.Registered, Token: h.Token, Epoch: h.Epoch, Flags: h.Flags,
		SeenUnix: h.SeenSec, OwnerEpoch: h.Owner, Mark: h.Mark, Last: h.Last, Acked: h.Acked,
		Messages: h.Messages, Notices: h.Notices, Rejections: h.Rejections, PayloadBytes: h.Bytes,
	}
}

func exportEntry(e *store.Entry, payload []byte) entryLine {
	kind := "receipt"
	switch e.Kind {
	case store.KindMessage:
		kind = "message"
	case store.KindRejected:
		kind = "rejection"
	case store.KindState:
		kind = "state"
	}
	return entryLine{
		Type: kind, User: e.User, Device: e.Device, Seq: e.Seq, Kind: uint8(e.Kind), Flags: e.Flags, Code: e.Code, Peer: e.Peer,
		PeerDevice: e.PeerDevice, Gen: e.Gen, First: e.First, Last: e.Last, TimeUnix: e.TimeSec, PayloadTag: e.PayloadTag,
		Payload: base64.StdEncoding.EncodeToString(payload),
	}
}
