package faultfs

import (
	"errors"
	"reflect"
	"syscall"
	"testing"
	"time"
)

func TestASpecSaysWhatItsWordsSay(t *testing.T) {
	got, err := ParseSpec("seed=7 limit=1000 fail=write+sync:eio:0.25@journal stall=sync:10ms hang=syncdir@x cut=3@mailboxes lie=sync+syncdir@state")
	if err != nil {
		t.Fatal(err)
	}
	want := Spec{Seed: 7, Limit: 1000, Lie: OpSync | OpSyncDir, LiePath: "state", CutAt: 3, CutPath: "mailboxes", Rules: []Rule{
		{Ops: OpWrite | OpSync, Path: "journal", Probability: 0.25, Errno: syscall.EIO},
		{Ops: OpSync, Probability: 1, Stall: 10 * time.Millisecond},
		{Ops: OpSyncDir, Path: "x", Probability: 1, Hang: true},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, bad := range []string{"sed=1", "seed=x", "limit=", "fail=write", "fail=writ:eio", "fail=write:eperm", "fail=write:eio:often", "fail=write:eio:1:1",
		"stall=sync", "stall=sync:soon", "cut=", "hang="} {
		if _, err := ParseSpec(bad); !errors.Is(err, ErrSpec) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if OpChange&OpRead != 0 || OpChange&OpMkdir == 0 || OpChange&OpWrite == 0 {
		t.Errorf("change is %b", OpChange)
	}
}
