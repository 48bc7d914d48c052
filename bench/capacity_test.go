package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// crowdChild is a crowd in this process, at the other end of its pipes.
type crowdChild struct {
	t   *testing.T
	in  *io.PipeWriter
	out *bufio.Scanner
}

func startCrowdChild(t *testing.T, s *fakeServer, o crowdOrders) *crowdChild {
	t.Helper()
	o.Addr, o.First, o.Transport, o.Key = s.addr(), 1_000_000, Noise, s.veil.static[:]
	fromParent, in := io.Pipe()
	out, toParent := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- runCrowd(asArgument(o), fromParent, toParent) }() // ends with its input
	c := &crowdChild{t: t, in: in, out: bufio.NewScanner(out)}
	c.out.Buffer(nil, childLineBytesMax)
	t.Cleanup(func() {
		_ = in.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if !c.out.Scan() {
		t.Fatal("the crowd does not say that it is ready")
	}
	return c
}

func (c *crowdChild) ask(line string) (st childStat) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
	if !c.out.Scan() {
		c.t.Fatalf("%s: no answer", line)
	}
	if err := json.Unmarshal(c.out.Bytes(), &st); err != nil {
		c.t.Fatal(err)
	}
	return st
}

// until asks until a condition holds.
func (c *crowdChild) until(what string, ok func(childStat) bool) childStat {
	c.t.Helper()
	for end := time.Now().Add(testWait); ; {
		st := c.ask("stat")
		if ok(st) {
			return st
		}
		if time.Now().After(end) {
			c.t.Fatalf("%s: %+v", what, st)
		}
	}
}

// again delivers one message a second time, as another entry.
func again(which int) fault {
	return func(s *fakeServer, n int, to *fakeSession, frame []byte) {
		_ = s.write(to, frame)
		if n != which {
			return
		}
		f, _, err := codec.Next(frame, codec.FrameBytesMax)
		if err != nil {
			panic(err)
		}
		v, err := codec.ParseDeliver(f)
		if err != nil {
			panic(err)
		}
		to.seq++
		v.Seq = to.seq
		_ = s.write(to, must(codec.AppendDeliver(nil, &v)))
	}
}

func TestACrowdSeesWhatAServerDoesWrong(t *testing.T) {
	for _, row := range []struct {
		name                   string
		fault                  fault
		lost, doubled, damaged int64
	}{
		{"a good server", deliverAll, 0, 0, 0},
		{"a server that loses a message", lose(7), 1, 0, 0},
		{"a server that delivers one twice", again(7), 0, 1, 0},
		{"a server that damages a message", damage(7), 1, 0, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := startFakeVeil(t, row.fault)
			c := startCrowdChild(t, s, crowdOrders{Most: 20})
			c.ask("grow 20")
			c.until("all are there", func(st childStat) bool { return st.Ready == 20 })
			c.ask("talk " + asArgument(talkOrders{Share: 0.5, Seed: 3, Every: 20 * time.Millisecond, Bytes: 40}))
			c.ask("watch")
			c.until("forty messages", func(st childStat) bool { return st.Talk.Made >= 40 })
			c.ask("hush")
			made := c.until("the hush", func(st childStat) bool { return st.Talk.Ticked == st.Talk.Made }).Talk.Made
			st := c.until("what arrives", func(st childStat) bool { return st.Talk.Arrived+row.lost >= made && st.Talk.Second == made })
			got := st.Talk
			if got.Talkers < 4 || got.Talkers > 16 {
				t.Errorf("%d of 20 talk, half of them were to", got.Talkers)
			}
			if made-got.Arrived != row.lost || got.Duplicated != row.doubled || got.Corrupted != row.damaged || got.Reordered != 0 || st.Failed != 0 {
				t.Errorf("%d made: %+v, %d ended", made, got, st.Failed)
			}
			if c.ask("delays").Logins == nil {
				t.Error("no latencies")
			}
		})
	}
}

func TestACrowdDropsOutAndComesBackByTicket(t *testing.T) {
	s := startFakeVeil(t, deliverAll)
	c := startCrowdChild(t, s, crowdOrders{Most: 700})
	c.ask("grow 700")
	c.until("all have tickets", func(st childStat) bool { return st.Ready == 700 && st.Crowd.Tickets == 700 })
	c.ask("drop " + asArgument(dropOrders{Share: 0.9, Seed: 9, PerSecond: 5000}))
	st := c.until("all are back", func(st childStat) bool {
		return st.Talk.Cuts == 1 && st.Crowd.Returned == st.Talk.Dropped && st.Ready == 700
	})
	if n := st.Talk.Dropped; n < 2*cutPart || n > 680 || st.Crowd.Resumed != n || st.Failed != 0 {
		t.Errorf("%d dropped out, %+v, %d ended", n, st.Crowd, st.Failed)
	}
}

func TestDevicesThatWereEnrolledComeByTicketInAnotherRun(t *testing.T) {
	s := startFakeVeil(t, deliverAll)
	dir := t.TempDir()
	first := startCrowdChild(t, s, crowdOrders{Most: 30, Dir: dir, Purpose: crowdEnrolls})
	first.ask("grow 30")
	first.until("tickets", func(st childStat) bool { return st.Crowd.Tickets == 30 && st.Connections == 0 })
	if st := first.ask("save 30"); st.Error != "" {
		t.Fatal(st.Error)
	}
	s.mu.Lock()
	contacts := s.veil.contacts
	s.mu.Unlock()
	// The second half, as another process of the same run would have it.
	c := startCrowdChild(t, s, crowdOrders{workerOrders: workerOrders{From: 15}, Most: 15, Dir: dir, Known: 30})
	c.ask("grow 15")
	c.until("all are there", func(st childStat) bool { return st.Ready == 15 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.veil.contacts != contacts || s.veil.resumes != 15 {
		t.Errorf("%d contacts more, %d by ticket", s.veil.contacts-contacts, s.veil.resumes)
	}
}

func TestEnoughEndsTheComingIn(t *testing.T) {
	s := startFakeVeil(t, deliverAll)
	c := startCrowdChild(t, s, crowdOrders{Most: 5000})
	c.ask("grow 5000")
	c.until("some are there", func(st childStat) bool { return st.Ready > 0 })
	c.ask("enough")
	st := c.until("nobody is under way", func(st childStat) bool { return st.Ready == st.Held })
	if st.Held >= 5000 {
		t.Skip("this machine was faster than the word")
	}
}

func TestDevicesAreKeptAsTheyAre(t *testing.T) {
	dir := t.TempDir()
	n := devicesChunk + 3
	devices := map[uint32]device{}
	for i := range n {
		if i%5 == 4 {
			continue // one that never came
		}
		d := device{incarnation: uint64(i) << 40, seen: uint64(i) * 3, ticked: uint64(i), epoch: uint32(i), gen: uint16(i%9 + 1), hasTicket: i%2 == 0}
		d.psk[31], d.ticket[0], d.ticket[secure.TicketBytes-1] = byte(i), byte(i>>8), byte(i>>3)
		devices[uint32(i)] = d
	}
	for _, part := range [][2]int{{0, 2}, {2, n}} {
		if err := saveDevices(dir, part[0], part[1], devices); err != nil {
			t.Fatal(err)
		}
	}
	for i, d := range devices {
		d.epoch += deviceEpochLeap
		devices[i] = d
	}
	if back, err := loadDevices(dir, 0, n); err != nil || !maps.Equal(back, devices) {
		t.Errorf("%v: %d devices came back of %d, or changed", err, len(back), len(devices))
	}
	if back, err := loadDevices(dir, n-2, n); err != nil || len(back) != 2 && len(back) != 1 {
		t.Errorf("%v: the last two are %d", err, len(back))
	}
	if _, err := loadDevices(dir, 0, n+1); err == nil {
		t.Error("a file that is too short was taken")
	}
}

func TestABookThatIsNoneIsRefused(t *testing.T) {
	dir := t.TempDir()
	if b, err := readBook(dir); err != nil || b != (deviceBook{}) {
		t.Errorf("no book: %+v, %v", b, err)
	}
	want := deviceBook{First: 77, Devices: 5}
	if err := want.write(dir); err != nil {
		t.Fatal(err)
	}
	if b, err := readBook(dir); err != nil || b != want {
		t.Errorf("%+v, %v", b, err)
	}
	for _, text := range []string{"", "{", `{"first_user":0,"devices":5}`, `{"first_user":1,"devices":-1}`, `{"first_user":1,"devices":99999999}`} {
		if err := os.WriteFile(bookPath(dir), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readBook(dir); err == nil {
			t.Errorf("%q was taken for a book", text)
		}
	}
}

func TestAShareIsAShare(t *testing.T) {
	const n = 100_000
	for _, share := range []float64{0.01, 0.1, 0.5} {
		in, both := 0, 0
		for i := range uint32(n) {
			if chosen(i, 1, uint32(share*(1<<32))) {
				in++
				if chosen(i, ^uint64(1), uint32(share*(1<<32))) {
					both++
				}
			}
		}
		if got := float64(in) / n; math.Abs(got-share) > share/10 {
			t.Errorf("%v of all are %v", share, got)
		}
		if got := float64(both) / n; math.Abs(got-share*share) > share*share/2 {
			t.Errorf("two seeds choose the same: %v, want %v", got, share*share)
		}
	}
}

func TestConnectionsLeaveFromManySources(t *testing.T) {
	for index, want := range map[int]string{0: "invalid IP", connectionsPerSource - 1: "invalid IP", connectionsPerSource: "127.0.0.2", 95 * connectionsPerSource: "127.0.0.96"} {
		if a, err := sourceOf(index); err != nil || fmt.Sprint(a) != want {
			t.Errorf("connection %d: %v, %v, want %s", index, a, err, want)
		}
	}
	if _, err := sourceOf(sourcesMax * connectionsPerSource); err == nil {
		t.Error("there are not that many sources")
	}
}
