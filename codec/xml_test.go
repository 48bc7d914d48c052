package codec

import "testing"

func TestAppendXML(t *testing.T) {
	text := func(b ...byte) Frame {
		dst, err := AppendSend(nil, &Send{Cseq: 1, To: 2, N: 1, Parts: Parts{}.Append(Part{Kind: PayloadCompressed | 2, Blob: b})})
		if err != nil {
			t.Fatal(err)
		}
		return mustFrame(t, dst)
	}
	odd := NewBuilder(nil)
	odd.Open("urn:trunkline:keys")
	odd.Attr("two words", "<&>")
	odd.AttrBytes("key", []byte{0, 1})
	odd.AttrUser("to", GroupBit|4)
	odd.OpenList()
	odd.Uint(1 << 63)
	odd.OpenList()
	odd.Close()
	odd.Close()
	odd.Close()
	body, err := odd.Finish()
	if err != nil {
		t.Fatal(err)
	}
	node, err := AppendNode(nil, &Node{Ref: 1, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	event := []byte{0xFD, 1, 0x17, 0x09, 0x1F, 0xFA, 0xE9, 3, 0xEC, 0xFB}
	deliver := func(kind uint8, blob []byte) Frame {
		b, err := AppendDeliver(nil, &Deliver{Seq: 1, From: 2, Kind: kind, Flags: FlagGroup, Group: GroupBit | 4, GroupSeq: 9, Blob: blob})
		if err != nil {
			t.Fatal(err)
		}
		return mustFrame(t, b)
	}
	const head = `<message seq="1" from="2" device="0" gen="0" id="0" ts="0" group="g4" gseq="9">`
	for _, c := range []struct {
		name  string
		frame Frame
		dir   Direction
		want  string
	}{
		{"text is escaped", text([]byte("<a b=\"c\">&\n")...), ToServer,
			`<message id="1" to="2"><body device="0" kind="2" compressed="true" bytes="11">&lt;a b=&quot;c&quot;&gt;&amp;&#10;</body></message>`},
		{"what a terminal would obey is hex", text(0x1B, '[', 'J'), ToServer,
			`<message id="1" to="2"><body device="0" kind="2" compressed="true" bytes="3" enc="hex">1b5b4a</body></message>`},
		{"half a letter is hex", text(0xC3), ToServer,
			`<message id="1" to="2"><body device="0" kind="2" compressed="true" bytes="1" enc="hex">c3</body></message>`},
		{"an unknown kind is hex", Frame{Kind: 0x90, Flags: 3, Body: []byte{0xAB}}, ToServer,
			`<frame kind="0x90" flags="0x3" bytes="1" enc="hex">ab</frame>`},
		{"a damaged frame says what is wrong", Frame{Kind: KindState, Body: []byte{9}}, ToServer,
			`<malformed kind="STATE" flags="0x0" error="codec: field value not defined" bytes="1" enc="hex">09</malformed>`},
		{"an ACK means another thing in each direction", Frame{Kind: KindAck, Body: make([]byte, 8)}, ToServer, `<ack seq="0"/>`},
		{"a server's ACK", Frame{Kind: KindAck, Body: make([]byte, 12)}, ToClient, `<ack id="0" ts="0"/>`},
		{"what happened in a group is a node", deliver(PayloadGroupEvent, event), ToClient,
			head + `<body kind="112" bytes="10"><group type="remove"><_>1004</_></group></body></message>`},
		{"what is no node is hex", deliver(PayloadGroupEvent, event[:9]), ToClient,
			head + `<body kind="112" bytes="9" enc="hex">fd0117091ffae903ec</body></message>`},
		{"nothing happened", deliver(PayloadGroupEvent, nil), ToClient, head + `<body kind="112" bytes="0"></body></message>`},
		{"a node of another kind is a client's business", deliver(PayloadGroupEvent|PayloadCompressed, event), ToClient,
			head + `<body kind="112" compressed="true" bytes="10" enc="hex">fd0117091ffae903ecfb</body></message>`},
		{"names that XML does not take", mustFrame(t, node), ToServer,
			`<node ref="1"><_ _name="urn:trunkline:keys" _74776f20776f726473="&lt;&amp;&gt;" key="hex:0001" to="g4"><_>9223372036854775808</_><_></_></_></node>`},
	} {
		if got := string(AppendXML([]byte("."), c.frame, c.dir)); got != "."+c.want {
			t.Errorf("%s:\n got %s\nwant .%s", c.name, got, c.want)
		}
	}
	if ToServer.String() != "c>s" || ToClient.String() != "s>c" {
		t.Error("the directions have wrong names")
	}
}

func TestLongPayloadsAreCutBetweenLetters(t *testing.T) {
	var blob []byte
	for range 200 {
		blob = append(blob, "é"...)
	}
	blob = append([]byte("x"), blob...) // the cut at 256 would fall inside a letter
	b, err := AppendDeliver(nil, &Deliver{Seq: 1, Blob: blob})
	if err != nil {
		t.Fatal(err)
	}
	want := `<message seq="1" from="0" device="0" gen="0" id="0" ts="0"><body kind="0" bytes="401" shown="255">` + string(blob[:255]) + `</body></message>`
	if got := string(AppendXML(nil, mustFrame(t, b), ToClient)); got != want {
		t.Errorf("got %s", got)
	}
}
