package shard

import (
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"trunkline/store"
)

// quietHost is a loop on which nothing happens.
type quietHost struct{}

func (quietHost) Send(Conn, []byte) error { return nil }
func (quietHost) Close(Conn)              {}
func (quietHost) Move(Conn, int)          {}
func (quietHost) SetTimer(Conn, int64)    {}
func (quietHost) Redeliver(Conn)          {}
func (quietHost) Post(int, []byte) error  { return nil }
func (quietHost) Credit(int) int          { return math.MaxInt }
func (quietHost) WakeAt(int64)            {}

// quietShard is loop 0 of two.
func quietShard() *Shard {
	s := New(Config{
		Placement: Placement{Seed: 1, Loops: 2}, Incarnation: 7, OwnerEpoch: 1, Queue: store.NewMailboxes(), Open: true,
	}, quietHost{})
	s.Tick(testNow)
	return s
}

const testNow = 1_800_000_000_000

// userOn is a user whose home is that loop.
func userOn(p Placement, loop int) uint64 {
	user := uint64(1001)
	for p.Home(user) != loop {
		user++
	}
	return user
}

// docTable reads the table of a doc comment: its head, then its rows, cells split at two or more spaces.
func docTable(t *testing.T, file string) (head []string, rows [][]string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gap := regexp.MustCompile(` {2,}`)
	for line := range strings.Lines(string(b)) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "//\t")
		switch {
		case ok && strings.HasPrefix(line, "event "):
			head = gap.Split(line, -1)
		case ok && head != nil:
			rows = append(rows, gap.Split(line, -1))
		case !ok && len(rows) > 0:
			return head, rows
		}
	}
	t.Fatalf("no table in %s", file)
	return nil, nil
}
