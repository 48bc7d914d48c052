//go:build linux || freebsd || darwin

package netpoll

import (
	"net"
	"testing"
)

func TestThousandsWhoLeaveAtOnceAreEndedAFewInATurn(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 1
		const leavers = 600
		var inTurn, most, ended, turns int // the loop's
		answered := -1                     // ends before the one that stays was answered
		g := newRig(t, cfg, func(s *script) {
			s.halfClose = func(id ConnID) {
				inTurn++
				s.l.CloseFlush(id, 0)
			}
			s.data = func(id ConnID, b []byte) int {
				if b[0] == '?' {
					answered = ended
				}
				must(t, s.l.Send(id, b))
				return len(b)
			}
			s.tick = func() {
				if most = max(most, inTurn); inTurn > 0 {
					turns++
				}
				ended += inTurn
				inTurn = 0
			}
		})
		stays := g.dial()
		var conns []net.Conn
		for range leavers {
			conns = append(conns, g.dial())
		}
		g.until("all are there", func() bool { return g.r.Stats()[0].Connections == leavers+1 })
		g.on(0, func(*script) { // while the loop is here, everybody leaves, and then one message comes
			for _, c := range conns {
				must(t, c.Close())
			}
			_, err := stays.Write([]byte("?"))
			must(t, err)
		})
		b := make([]byte, 1)
		_, err := stays.Read(b)
		must(t, err)
		g.until("all have left", func() bool { return g.r.Stats()[0].Connections == 1 })
		g.on(0, func(*script) {
			if most > HangupTurnMax || turns < leavers/HangupTurnMax {
				t.Errorf("%d ended in one turn, all in %d turns", most, turns)
			}
			if answered < 0 || answered > leavers/2 {
				t.Errorf("whoever stays was answered behind %d ends", answered)
			}
		})
	})
}
