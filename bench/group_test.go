package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"trunkline/codec"
)

func TestGroupsThatMakeNoSenseStartNothing(t *testing.T) {
	for name, c := range map[string]GroupConfig{
		"nobody to write to":                  {Members: 1},
		"more members than a group has":       {Members: GroupMembersMax + 1},
		"more writers than members":           {Members: 3, Writers: 4},
		"more on their way than a window":     {Inflight: InflightMax + 1},
		"messages without a head":             {Bytes: 3},
		"both meanings of the first tick":     {Ack: AckBoth},
		"a server that is not the run's own":  {Target: Target{Server: "127.0.0.1:1"}},
		"the encrypted transport":             {Target: Target{Transport: Noise}},
		"more for who is away than fits":      {Away: GroupAwayMax + 1},
		"members who acknowledge at no time":  {Moment: time.Hour},
		"a round of no length":                {Duration: time.Microsecond},
		"more rounds than anybody waits for":  {Rounds: RoundsMax + 1},
		"more messages than there are clocks": {Rate: RateMax + 1},
	} {
		if _, err := Group(context.Background(), c, Env{Executable: "/nonexistent"}); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAGroupThatLosesMessagesHasFailed(t *testing.T) {
	r := &Report{Group: &GroupResult{Corrupted: 1}}
	if !r.Failed() {
		t.Error("a damaged message is a failure")
	}
	r = &Report{Group: &GroupResult{}, Lost: ptr(uint64(0))}
	if r.Failed() {
		t.Error("nothing was lost")
	}
}

// fanoutTalk is a fanout whose writes are kept by connection.
func fanoutTalk() (*fanout, map[uint32][]byte) {
	wrote := map[uint32][]byte{}
	return &fanout{write: func(conn uint32, b []byte) { wrote[conn] = append(wrote[conn], b...) }}, wrote
}

func TestAFanoutWritesWhatAGroupsServerWrites(t *testing.T) {
	o, wrote := fanoutTalk()
	for conn := range uint32(3) {
		hello, err := codec.AppendHello(nil, &codec.Hello{Version: protocolVersion, User: 100 + uint64(conn), DownSeq: 1})
		if err != nil {
			t.Fatal(err)
		}
		o.take(conn+5, hello)
		clear(wrote)
	}
	blob := make([]byte, 200) // the frame's length takes two bytes
	var sends []byte
	for cseq := range uint64(2) {
		var err error
		sends, err = codec.AppendSend(sends, &codec.Send{Cseq: cseq + 1, To: codec.GroupBit | 7, Flags: codec.FlagGroup, N: 1, Parts: codec.Parts{}.Append(codec.Part{Blob: blob})})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range sends { // a byte at a time: nothing is lost between two reads
		o.take(5, sends[i:i+1])
	}
	for _, conn := range []uint32{6, 7} {
		for seq := range uint64(2) {
			f, used, err := codec.Next(wrote[conn], codec.FrameBytesMax)
			if err != nil {
				t.Fatal(err)
			}
			wrote[conn] = wrote[conn][used:]
			v, err := codec.ParseDeliver(f)
			if err != nil || v.Seq != seq+1 || v.From != 100 || v.GroupSeq != seq+1 || v.Group != codec.GroupBit|7 || len(v.Blob) != 200 {
				t.Errorf("connection %d: %+v, %v", conn, v, err)
			}
		}
		if len(wrote[conn]) != 0 {
			t.Errorf("connection %d got more than two messages", conn)
		}
	}
	kinds := map[codec.Kind]int{}
	for b := wrote[5]; len(b) > 0; {
		f, used, err := codec.Next(b, codec.FrameBytesMax)
		if err != nil {
			t.Fatal(err)
		}
		kinds[f.Kind]++
		if f.Kind == codec.KindDeliver && binary.BigEndian.Uint64(f.Body) == 0 {
			t.Error("a place without a seq")
		}
		b = b[used:]
	}
	if kinds[codec.KindDeliver] != 2 || kinds[codec.KindAck] != 2 {
		t.Errorf("the sender got %v", kinds)
	}
	o.left(6)
	clear(wrote)
	o.take(7, sends)
	if len(wrote[6]) != 0 || len(wrote[5]) == 0 {
		t.Error("who has left is written to, or who is there is not")
	}
}

func TestAGroupsTableShowsWhatIsAboveTheBudget(t *testing.T) {
	g := &GroupResult{Members: 10, BudgetUs: groupBudget, Away: &GroupAway{Members: 9}, Cases: []GroupCase{{Name: "paced", Servers: []GroupSide{
		{Name: groupServer, CPUUsPerMember: 2}, {Name: fanoutBare, AbovePerMember: ptr(0.6)}, {Name: fanoutNetpoll, AbovePerMember: ptr(0.4)}}}}}
	var table strings.Builder
	if err := (&Report{Group: g, Lost: ptr(uint64(0))}).WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(table.String(), "ABOVE the budget"); n != 1 || !strings.Contains(table.String(), "within the budget") {
		t.Errorf("%s", &table)
	}
}
