//go:build !race

package secure

import "testing"

// The race detector drops what is given back to a pool at random, so this is measured without it.
func TestRecordsAllocateNothing(t *testing.T) {
	client, server := linkPair()
	server.opened |= confirmedBit
	frames, buf := make([]byte, 960), make([]byte, 0, 1_024)
	allocs := testing.AllocsPerRun(200, func() {
		record, err := client.Seal(buf, frames)
		if err != nil {
			t.Fatal(err)
		}
		server.opened &^= confirmedBit
		if ok, err := server.Confirm(record); !ok || err != nil {
			t.Fatal(err)
		}
		plain, _, err := server.Plain(record)
		if err != nil {
			t.Fatal(err)
		}
		server.Consume(len(plain))
	})
	if allocs != 0 {
		t.Errorf("%v allocations for seal, confirm and open", allocs)
	}
}
