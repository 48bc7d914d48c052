package main

import (
	"bytes"
	"strings"
	"testing"

	"trunkline/codec"
	"trunkline/server"
)

// TestTheGuardIsPrintedForPeople: counts, then one line for each decision.
func TestTheGuardIsPrintedForPeople(t *testing.T) {
	var out bytes.Buffer
	printGuard(&out, &server.GuardDocument{
		On: true, Guarded: map[string]uint64{"messages": 2, "receivers": 1}, Silent: []int{3},
		Decisions: []server.GuardDecision{
			{UnixMs: 1_700_000_000_000, User: 7, Device: 1, Peer: codec.GroupBit | 9, Verdict: "delayed", RetryMs: 61_400, Why: "too much"},
			{UnixMs: 1_600_000_000_000, User: 8, Peer: 12, Verdict: "rejected", Why: "reported"},
		},
	})
	want := strings.Join([]string{
		"messages: 2", "receivers: 1", "loops [3] did not answer: what they have held back is missing", "",
		"when                  user  device  to        verdict       why",
		"2023-11-14T22:13:20Z  7     1       group g9  delayed 1m1s  too much",
		"2020-09-13T12:26:40Z  8     0       12        rejected      reported", "",
	}, "\n")
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	for doc, want := range map[*server.GuardDocument]string{
		{}:         "all rules are off (trunkline serve --help lists them: --guard-...)\n",
		{On: true}: "nothing was held back since the start\n",
	} {
		out.Reset()
		if printGuard(&out, doc); out.String() != want {
			t.Errorf("%+v: %q", doc, out.String())
		}
	}
}

// TestGuardFlagsThatCannotBe are wrong usage.
func TestGuardFlagsThatCannotBe(t *testing.T) {
	for _, args := range [][]string{{"--user", "x"}, {"--user", "9223372036854775809"}, {"--admin", "nowhere"}, {"word"}} {
		var out, errs bytes.Buffer
		if code := runGuard(args, nil, &out, &errs); code != exitUsage || errs.Len() == 0 {
			t.Errorf("%v: %d %q", args, code, errs.String())
		}
	}
}
