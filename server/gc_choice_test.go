package server

import (
	"math"
	"strings"
	"testing"
)

func TestTheCollectorIsSetForWhatMayCome(t *testing.T) {
	const gb = 1 << 30
	base := GCSettings{Connections: 20_000, Users: 4 << 20, Loops: 2, StoreBytes: gb, MemoryBytes: 16 * gb}
	with := func(change func(*GCSettings)) GCSettings {
		in := base
		change(&in)
		return in
	}
	for _, row := range []struct {
		name    string
		in      GCSettings
		percent int
		limited bool
		why     string
	}{
		{"a small server", base, GCPercentDefault, true, "up to 20000 connections"},
		{"a million connections", with(func(in *GCSettings) { in.Connections = 1_000_000 }), GCPercentDefault, true, "up to 1000000 connections"},
		{"more descriptors than users", with(func(in *GCSettings) { in.Connections = 16_000_000; in.MemoryBytes = 128 * gb }), gcPercentMin, true, "up to 4194304 connections"},
		{"a machine that is too small for all", with(func(in *GCSettings) { in.Connections = 4_000_000 }), gcPercentMin, false, "more than the machine's 16GiB leave"},
		{"a configured percentage", with(func(in *GCSettings) { in.Percent = 80 }), 80, true, "80 % as configured"},
		{"GOGC", with(func(in *GCSettings) { in.GOGC = "off" }), 0, true, "GOGC=off of the environment"},
		{"GOMEMLIMIT", with(func(in *GCSettings) { in.GOMEMLIMIT = "3GiB" }), GCPercentDefault, false, "3GiB of the environment"},
		{"a machine that does not tell", with(func(in *GCSettings) { in.MemoryBytes = 0 }), GCPercentDefault, false, "not known"},
		{"nobody may come", GCSettings{}, GCPercentDefault, false, "up to 1 connections"},
	} {
		c := chooseGC(row.in)
		if c.Percent != row.percent || (c.LimitBytes != math.MaxInt64) != row.limited || !strings.Contains(c.Reason, row.why) {
			t.Errorf("%s: %+v", row.name, c)
		}
		if row.limited && (c.LimitBytes > row.in.MemoryBytes || c.LimitBytes < row.in.StoreBytes) {
			t.Errorf("%s: a limit of %d", row.name, c.LimitBytes)
		}
		if c.PercentGiven != (row.in.GOGC != "") || c.LimitGiven != (row.in.GOMEMLIMIT != "") {
			t.Errorf("%s: %+v", row.name, c)
		}
	}
}
