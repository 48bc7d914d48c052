package tuning

import (
	"encoding/json"
	"errors"
	"testing"
)

func plan(t testing.TB, s System, l Load) Capacity {
	t.Helper()
	c, err := Plan(s, l)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatStopsAnInstalledBoxFirst(t *testing.T) {
	for _, want := range []struct {
		box, by     string
		connections int64
	}{
		{"freebsd14", "kern.maxfilesperproc", 939528 - DescriptorReserve},
		{"freebsd13", "kern.maxfilesperproc", 939528 - DescriptorReserve},
		{"linux", "RLIMIT_NOFILE", 524288 - DescriptorReserve},
	} {
		c := plan(t, box(t, want.box), Load{})
		if c.Connections != want.connections || c.StoppedBy != want.by {
			t.Errorf("%s: %d, by %s", want.box, c.Connections, c.StoppedBy)
		}
	}
}

func TestAPlanAndACheckAgree(t *testing.T) {
	for _, name := range boxes {
		for _, memory := range []int64{1 << 30, 4 << 30, 64 << 30} {
			f := box(t, name)
			f.Box.MemoryBytes, f.Counted = memory, Counters{{Name: "tcp", ItemBytes: 2000}}
			for i, l := range Limits(f.Box.OS) { // a storm does not bound what is held
				if l.Storm {
					f.Values[l.Name] = Limits(f.Box.OS)[i].Need(Load{Connections: ConnectionsMax}.filled(f.Box), f.Box)
				}
			}
			c := plan(t, f, Load{})
			if v := check(t, f, Load{Connections: c.Connections}).Verdict; v.Exit() != 0 {
				t.Errorf("%s, %d: %d connections are %v", name, memory, c.Connections, v)
			}
			r := check(t, f, Load{Connections: c.Connections + 1})
			if r.Verdict != Short || row(t, r, c.StoppedBy).Verdict != Short {
				t.Errorf("%s, %d: one more is %v, stopped by %s", name, memory, r.Verdict, c.StoppedBy)
			}
		}
	}
}

func TestMemoryStopsABoxWhoseLimitsAreRaised(t *testing.T) {
	for _, name := range boxes {
		f := box(t, name)
		for _, row := range check(t, f, Load{Connections: 50_000_000}).Rows {
			if !row.Set.None() {
				f.Values[row.Limit.Name] = row.Set
			}
		}
		c := plan(t, f, Load{})
		if c.StoppedBy != "memory" || c.Connections != c.Reachable || c.Connections < 4_000_000 || c.Connections > 12_000_000 {
			t.Errorf("%s: %d, reachable %d, by %s", name, c.Connections, c.Reachable, c.StoppedBy)
		}
		if c.Model.Bytes > c.BudgetBytes || c.BudgetBytes-c.Model.Bytes > c.BudgetBytes/8 {
			t.Errorf("%s: %d bytes of %d", name, c.Model.Bytes, c.BudgetBytes)
		}
	}
}

func TestABoxWithoutMemoryHoldsNobody(t *testing.T) {
	f := box(t, "linux")
	f.Box.MemoryBytes = 16 << 20
	if c := plan(t, f, Load{}); c.Connections != 0 || c.StoppedBy != "memory" || c.Reachable != 0 {
		t.Errorf("got %d by %s", c.Connections, c.StoppedBy)
	}
}

func TestAPlanSaysWhatItCouldNotRead(t *testing.T) {
	f := box(t, "freebsd14")
	f.Refusals["kern.maxfilesperproc"] = ErrPermission
	c := plan(t, f, Load{})
	if len(c.Unread) != 1 || c.Unread[0] != "kern.maxfilesperproc" || c.StoppedBy != "RLIMIT_NOFILE" {
		t.Errorf("unread %v, stopped by %s", c.Unread, c.StoppedBy)
	}
}

func TestAPlanShowsTheMemoryOfWhatWasAskedFor(t *testing.T) {
	f := box(t, "freebsd14")
	c := plan(t, f, Load{Connections: 100_000})
	if c.Load.Connections != 100_000 || c.Model.Bytes < 200<<20 || c.Model.Bytes > 1<<30 {
		t.Errorf("%d bytes for %d", c.Model.Bytes, c.Load.Connections)
	}
	if _, err := Plan(f, Load{Connections: -5}); !errors.Is(err, ErrLoad) {
		t.Errorf("got %v", err)
	}
	if _, err := Plan(f, Load{Connections: 1_000_000_000_000}); !errors.Is(err, ErrLoad) {
		t.Errorf("got %v", err)
	}
}

func TestAPlanHasItsDocumentedKeys(t *testing.T) {
	text, err := json.Marshal(plan(t, box(t, "freebsd14"), Load{}))
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, text, "", "schema", "machine", "load", "connections", "stopped_by", "reachable", "stops", "memory", "budget_bytes", "unread")
	var form struct {
		Stops  []json.RawMessage
		Memory json.RawMessage
		Unread []string
	}
	if err := json.Unmarshal(text, &form); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, form.Stops[0], "stop", "name", "connections", "have", "reason")
	wantKeys(t, form.Memory, "memory", "bytes", "parts")
	if form.Unread == nil {
		t.Error("unread is null")
	}
}

func BenchmarkPlan(b *testing.B) {
	f := box(b, "freebsd14")
	for b.Loop() {
		plan(b, f, Load{})
	}
}
