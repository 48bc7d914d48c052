package bench

import (
	"maps"
	"testing"
	"time"

	"trunkline/codec"
)

// sendAway closes the receiver's session before the n-th message gets there.
func sendAway(which int, code codec.ErrorCode) fault {
	return func(s *fakeServer, n int, to *fakeSession, frame []byte) {
		if n != which {
			_ = s.write(to, frame)
			return
		}
		_ = s.hangUp(to, hangUp{code: code})
		if code == 0 {
			_ = to.conn.Close()
		}
	}
}

func TestACrowdComesBackWhenTheServerClosesItsSessions(t *testing.T) {
	for _, row := range []struct {
		name    string
		hangUps map[int]hangUp
		fault   fault
		why     map[string]int64
		lost    int64
	}{
		{"it says why, and has not taken the message", map[int]hangUp{7: {code: codec.CodeCrashed}, 19: {code: codec.CodeIdle}}, deliverAll,
			map[string]int64{"crashed": 1, "idle": 1}, 0},
		{"it says nothing", map[int]hangUp{7: {}, 11: {}, 15: {}}, deliverAll, map[string]int64{closedSilently: 3}, 0},
		{"it has taken the message, and the tick is lost", map[int]hangUp{7: {code: codec.CodeCrashed, taken: true}, 9: {taken: true}}, deliverAll,
			map[string]int64{"crashed": 1, closedSilently: 1}, 0},
		{"a receiver is sent away", nil, sendAway(9, codec.CodeSlowConsumer), map[string]int64{"slow_consumer": 1}, 0},
		{"a receiver is sent away without a word", nil, sendAway(9, 0), map[string]int64{closedSilently: 1}, 0},
		{"what it had taken is lost with the session", map[int]hangUp{7: {code: codec.CodeCrashed, taken: true}}, forget(7), map[string]int64{"crashed": 1}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := startFakeVeil(t, row.fault)
			s.mu.Lock()
			s.keeps, s.hangUps = true, row.hangUps
			s.mu.Unlock()
			c := startCrowdChild(t, s, crowdOrders{Most: 20})
			c.ask("grow 20")
			c.until("all are there, with tickets", func(st childStat) bool { return st.Ready == 20 && st.Crowd.Tickets == 20 })
			c.ask("talk " + asArgument(talkOrders{Share: 0.5, Seed: 3, Every: 20 * time.Millisecond, Bytes: 40}))
			var closed int64
			for _, n := range row.why {
				closed += n
			}
			c.until("who was closed is back, and has talked on", func(st childStat) bool {
				return st.Closed.Sessions == closed && st.Closed.Back == closed && st.Ready == 20 && st.Talk.Made >= 100
			})
			c.ask("hush")
			made := c.until("the hush", func(st childStat) bool { return st.Talk.Ticked == st.Talk.Made }).Talk.Made
			st := c.until("what arrives", func(st childStat) bool { return st.Talk.Arrived+row.lost >= made && st.Talk.Second == made })
			if got := st.Talk; made-got.Arrived != row.lost || got.Duplicated != 0 || got.Reordered != 0 || got.Corrupted != 0 || st.Failed != 0 {
				t.Errorf("%d made: %+v, %d ended: %s", made, got, st.Failed, st.Failure)
			}
			if !maps.Equal(st.Closed.Why, row.why) {
				t.Errorf("the reasons are %v, want %v", st.Closed.Why, row.why)
			}
			if st.Crowd.Resumed < closed {
				t.Errorf("%d of %d came by ticket", st.Crowd.Resumed, closed)
			}
		})
	}
}

// forget loses a message that was taken, also for who comes back for it.
func forget(which int) fault {
	return func(s *fakeServer, n int, to *fakeSession, frame []byte) {
		if n == which {
			to.kept = to.kept[:len(to.kept)-1]
			return
		}
		_ = s.write(to, frame)
	}
}

func TestACrowdStaysAwayWhenTheServerSaysSo(t *testing.T) {
	s := startFakeVeil(t, deliverAll)
	s.mu.Lock()
	s.keeps, s.hangUps = true, map[int]hangUp{5: {code: codec.CodeDeviceRemoved}}
	s.mu.Unlock()
	c := startCrowdChild(t, s, crowdOrders{Most: 20})
	c.ask("grow 20")
	c.until("all are there", func(st childStat) bool { return st.Ready == 20 })
	c.ask("talk " + asArgument(talkOrders{Share: 0.5, Seed: 3, Every: 20 * time.Millisecond, Bytes: 40}))
	st := c.until("one has ended", func(st childStat) bool { return st.Failed == 1 && st.Talk.Made >= 200 })
	if st.Ready != 19 || st.Closed.Sessions != 1 || st.Closed.Back != 0 || st.Closed.Why["device_removed"] != 1 {
		t.Errorf("%d are there, closed %+v: %s", st.Ready, st.Closed, st.Failure)
	}
}
