package testkit

import (
	"fmt"
	"strings"

	"trunkline/codec"
)

// describer says frames in words, with the names that a script has given to users.
type describer struct {
	names  map[uint64]string
	nowMs  func() int64
	groups int // that have a name
	tape   codec.Tape
}

// The first time that a group is seen it gets a name: g1, g2, ...
func (d *describer) user(id uint64) string {
	if _, named := d.names[id]; !named && id&codec.GroupBit != 0 {
		d.groups++
		d.names[id] = fmt.Sprintf("g%d", d.groups)
	}
	if name, ok := d.names[id]; ok {
		return name
	}
	return fmt.Sprint(id)
}

// seq shows owner epoch and counter.
func seq(s uint64) string {
	if s < 1<<40 {
		return fmt.Sprint(s)
	}
	return fmt.Sprintf("%d.%d", s>>40, s&(1<<40-1))
}

// frame describes what a server said.
func (d *describer) frame(f codec.Frame) string {
	s, err := d.parse(f)
	if err != nil {
		return fmt.Sprintf("%v that can't be read: %v", f.Kind, err)
	}
	return strings.TrimSpace(fmt.Sprintf("%v %s", f.Kind, s))
}

func (d *describer) parse(f codec.Frame) (string, error) {
	switch f.Kind {
	case codec.KindSuccess:
		v, err := codec.ParseSuccess(f)
		return fmt.Sprintf("incarnation=%d gen=%d upHigh=%d keepalive=%ds window=%d", v.Incarnation, v.Gen, v.UpHigh,
			v.KeepaliveSec, v.WindowEntries), err
	case codec.KindError:
		v, err := codec.ParseError(f)
		return fmt.Sprintf("%v ref=%s%s", v.Code, d.ref(v.Code, v.Ref), retry(v.RetryAfterMs)), err
	case codec.KindGoAway:
		v, err := codec.ParseGoAway(f)
		return fmt.Sprintf("%v%s", v.Code, retry(v.RetryAfterMs)), err
	case codec.KindDeliver:
		v, err := codec.ParseDeliver(f)
		return d.deliver(&v), err
	case codec.KindAck:
		v, err := codec.ParseTick(f)
		return fmt.Sprintf("upHigh=%d", v.UpHigh), err
	case codec.KindReceipt:
		v, err := codec.ParseReceipt(f)
		return d.receipt(&v), err
	case codec.KindTyping:
		v, err := codec.ParseTyping(f)
		return fmt.Sprintf("peer=%s/%d state=%d", d.user(v.Peer), v.Device, v.State), err
	case codec.KindNode:
		return d.node(f)
	case codec.KindPresence:
		v, err := codec.ParsePresence(f)
		return fmt.Sprintf("peer=%s state=%d%s", d.user(v.Peer), v.State, d.since(v.LastSeenSec)), err
	}
	return "", nil
}

func (d *describer) ref(code codec.ErrorCode, ref uint64) string {
	switch code {
	case codec.CodeTooMany:
		return d.user(ref)
	case codec.CodeAckInvalid, codec.CodeAckTimeout:
		return seq(ref)
	}
	return fmt.Sprint(ref)
}

func retry(ms uint32) string {
	if ms == 0 {
		return ""
	}
	return fmt.Sprintf(" retry=%dms", ms)
}

// since shows a time as seconds before now.
func (d *describer) since(sec uint32) string {
	if sec == 0 {
		return ""
	}
	return fmt.Sprintf(" seen=-%ds", d.nowMs()/1000-int64(sec))
}

func (d *describer) deliver(v *codec.Deliver) string {
	flags := ""
	if v.Flags&codec.FlagNoStore != 0 {
		flags += " nostore"
	}
	if v.Flags&codec.FlagUrgent != 0 {
		flags += " urgent"
	}
	blob := string(v.Blob)
	if len(blob) > 40 {
		blob = fmt.Sprintf("%s...(%d)", blob[:8], len(blob))
	}
	text := fmt.Sprintf("%q", blob)
	if v.Flags&codec.FlagGroup != 0 {
		flags += fmt.Sprintf(" %s gseq=%d", d.user(v.Group), v.GroupSeq)
		if v.Kind == codec.PayloadGroupEvent {
			text = d.event(v.Blob)
		}
		if v.Kind == codec.PayloadGroupPlace {
			text = strings.TrimSuffix("placed "+text, ` ""`)
		}
	}
	return fmt.Sprintf("seq=%s from=%s/%d gen=%d id=%d%s %s", seq(v.Seq), d.user(v.From), v.Device, v.Gen, v.ID, flags, text)
}

var receiptNames = map[codec.ReceiptKind]string{
	codec.ReceiptDelivered: "delivered", codec.ReceiptRead: "read", codec.ReceiptPlayed: "played",
	codec.ReceiptRejected: "rejected",
}

func (d *describer) receipt(v *codec.Receipt) string {
	ids := fmt.Sprint(v.First)
	if v.Last != v.First {
		ids += fmt.Sprintf("..%d", v.Last)
	}
	code := ""
	if v.Code != 0 {
		code = fmt.Sprintf(" code=%v", codec.ErrorCode(v.Code))
	}
	peer := fmt.Sprintf("peer=%s/%d", d.user(v.Peer), v.Device)
	if v.Flags&codec.FlagGroup != 0 {
		peer = "group=" + d.user(v.Group)
	}
	return fmt.Sprintf("seq=%s %s %s gen=%d ids=%s%s", seq(v.Seq), receiptNames[v.Kind], peer, v.Gen, ids, code)
}
