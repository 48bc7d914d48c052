package testkit

import (
	"fmt"
	"strings"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// groupOps are the operations of the script's command group.
func groupOps() map[string]iq.Op {
	return map[string]iq.Op{
		"create": iq.OpGroupCreate, "add": iq.OpGroupAdd, "remove": iq.OpGroupRemove, "promote": iq.OpGroupPromote, "demote": iq.OpGroupDemote,
		"leave": iq.OpGroupLeave, "subject": iq.OpGroupSubject, "invite": iq.OpGroupInvite, "join": iq.OpGroupJoin, "info": iq.OpGroupInfo,
		"list": iq.OpGroupList, "receipts": iq.OpGroupReceipts,
	}
}

// group sends a request about a group.
func (s *script) group(args []string) []string {
	plain, named := options(args)
	r := iq.Request{Ref: uint32(s.number(plain[2])), Op: groupOps()[plain[1]], Text: named["text"]}
	if r.Op == iq.OpNone {
		s.t.Fatalf("group knows no %q", plain[1])
	}
	if token := named["token"]; token != "" {
		r.Token = s.number(token)
	}
	if seq := named["seq"]; seq != "" {
		r.Seq = s.number(seq)
	}
	if code, ok := named["code"]; ok && code != "" {
		r.Bytes = []byte(strings.Repeat(code, iq.InviteBytes)[:iq.InviteBytes])
	}
	users := plain[3:]
	if r.Op != iq.OpGroupCreate && r.Op != iq.OpGroupList {
		r.Group, users = s.named(users[0]), users[1:]
	}
	for _, name := range users {
		r.Users = append(r.Users, s.named(name))
	}
	b, err := iq.AppendRequest(nil, &r)
	return s.write(s.conn(plain[0]), b, err)
}

// gsend sends a message to a group.
func (s *script) gsend(args []string) []string {
	plain, named := options(args)
	v := codec.Send{To: s.named(plain[1]), Cseq: s.number(plain[2]), Flags: codec.FlagGroup, N: 1}
	for _, flag := range plain[4:] {
		v.Flags |= map[string]codec.Flags{"nostore": codec.FlagNoStore, "urgent": codec.FlagUrgent}[flag]
	}
	if epoch := named["epoch"]; epoch != "" {
		n := s.number(epoch)
		v.Ext = v.Ext.Append(codec.ExtItem{Type: codec.ExtEpoch, Value: []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}})
	}
	v.Parts = v.Parts.Append(codec.Part{Blob: []byte(plain[3])})
	b, err := codec.AppendSend(nil, &v)
	return s.write(s.conn(plain[0]), b, err)
}

// gread tells a group how far a member has read.
func (s *script) gread(args []string) []string {
	v := codec.Receipt{
		Kind: codec.ReceiptRead, Flags: codec.FlagGroup, Group: s.named(args[1]), First: s.number(args[2]), Last: s.number(args[2]), Seq: s.number(args[3]),
	}
	b, err := codec.AppendReceipt(nil, &v)
	return s.write(s.conn(args[0]), b, err)
}

// node describes an answer or a notice.
func (d *describer) node(f codec.Frame) (string, error) {
	var a iq.Answer
	var n iq.Notice
	notice, err := iq.ParseReply(&d.tape, f, &a, &n)
	switch {
	case err != nil:
		return "", err
	case notice:
		return "notice" + d.groupInfo(&n.Group) + d.devices(&n.Devices), nil
	}
	text := fmt.Sprintf("ref=%d", a.Ref)
	if a.Code != codec.CodeNone {
		return text + fmt.Sprintf(" %v", a.Code), nil
	}
	text += d.groupInfo(&a.Group)
	for _, o := range a.Outcomes {
		text += fmt.Sprintf(" %s:%v", d.user(o.User), o.Code)
	}
	for _, m := range a.Members {
		text += fmt.Sprintf(" %s:%d/%d", d.user(m.User), m.Delivered, m.Read)
	}
	for _, g := range a.Groups {
		text += " " + d.user(g)
	}
	return text, nil
}

// groupInfo describes a group.
func (d *describer) groupInfo(g *iq.GroupInfo) string {
	if g.Group == 0 {
		return ""
	}
	text := fmt.Sprintf(" %s epoch=%d gseq=%d count=%d", d.user(g.Group), g.Epoch, g.Seq, g.Count)
	if g.Subject != "" {
		text += fmt.Sprintf(" %q", g.Subject)
	}
	for _, m := range g.Members {
		text += " " + d.user(m.User)
		if m.Role == iq.RoleAdmin {
			text += "*"
		}
	}
	return text
}

func (d *describer) devices(l *iq.DeviceList) string {
	if l.User == 0 {
		return ""
	}
	return fmt.Sprintf(" devices of %s version=%d %v", d.user(l.User), l.Version, l.List)
}

// eventNames are the operations by number.
func eventNames() map[iq.Op]string {
	names := map[iq.Op]string{}
	for name, op := range groupOps() {
		names[op] = name
	}
	return names
}

// event describes what happened in a group.
func (d *describer) event(payload []byte) string {
	var e iq.Event
	if err := iq.ParseEvent(&d.tape, payload, &e); err != nil {
		return fmt.Sprintf("an event that can't be read: %v", err)
	}
	text := fmt.Sprintf("%s epoch=%d", eventNames()[e.Op], e.Epoch)
	for _, user := range e.Users {
		text += " " + d.user(user)
	}
	if e.Text != "" {
		text += fmt.Sprintf(" %q", e.Text)
	}
	return text
}

// SendGroup puts a message to a group into the outbox.
func (c *Client) SendGroup(group uint64, text string) {
	if c.Kept.Gen == 0 {
		return
	}
	v := codec.Send{Cseq: c.Kept.Next, To: group, Flags: codec.FlagGroup, N: 1}
	v.Parts = v.Parts.Append(codec.Part{Blob: []byte(text)})
	b, err := codec.AppendSend(nil, &v)
	if err != nil {
		panic(err)
	}
	c.Kept.Sent[v.Cseq] = &Fate{To: group, Text: text, Delivered: map[uint8]bool{}}
	c.Kept.Outbox = append(c.Kept.Outbox, Sent{Cseq: v.Cseq, Frame: b})
	c.Kept.Next++
}

// ReadGroup puts a read receipt for everything of a group that is on the screen into the outbox.
func (c *Client) ReadGroup(group uint64) {
	gseq := uint64(0)
	for i := range c.Screen {
		if c.Screen[i].Group == group {
			gseq = max(gseq, c.Screen[i].GroupSeq)
		}
	}
	if gseq == 0 || c.Kept.Gen == 0 {
		return
	}
	v := codec.Receipt{Seq: c.Kept.Next, Kind: codec.ReceiptRead, Flags: codec.FlagGroup, Group: group, First: gseq, Last: gseq}
	b, err := codec.AppendReceipt(nil, &v)
	if err != nil {
		panic(err)
	}
	c.Kept.Outbox = append(c.Kept.Outbox, Sent{Cseq: v.Seq, Frame: b})
	c.Kept.Next++
}

// Ask sends a request on this connection; the answer will be in Answers under the ref that it returns. 0: the client is not there.
func (c *Client) Ask(r *iq.Request) (ref uint32) {
	if !c.Online() {
		return 0
	}
	c.refs++
	r.Ref = c.refs
	c.write(iq.AppendRequest(nil, r))
	return c.refs
}

// node takes an answer or a notice.
func (c *Client) node(f codec.Frame) {
	var a iq.Answer
	var n iq.Notice
	notice, err := iq.ParseReply(&c.tape, f, &a, &n)
	c.check(err)
	if !notice {
		c.Answers[a.Ref] = a
	}
}

// ParseEvent is what a shown event says.
func (s *Shown) ParseEvent() (e iq.Event, err error) {
	var tape codec.Tape
	return e, iq.ParseEvent(&tape, []byte(s.Text), &e)
}
