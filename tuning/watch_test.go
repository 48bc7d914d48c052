package tuning

import (
	"encoding/json"
	"testing"
	"time"
)

func TestWatchWarnsBeforeTheWall(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, row := range []struct {
		name          string
		before, after Counter
		level         Level
		warning       string
	}{
		{"79 % is fine", Counter{Refused: 5}, Counter{Used: 79, Limit: 100, Refused: 5}, LevelFine, ""},
		{"80 % is near", Counter{}, Counter{Used: 80, Limit: 100}, LevelNear, "x: 80 % of 100 files"},
		{"95 % is the wall", Counter{}, Counter{Used: 95, Limit: 100}, LevelWall, "x: 95 % of 100 files"},
		{"what was refused long ago is no warning", Counter{Refused: 7}, Counter{Used: 1, Limit: 100, Refused: 7}, LevelFine, ""},
		{"what is refused now is the wall, however empty it looks", Counter{Refused: 7}, Counter{Used: 1, Limit: 100, Refused: 9}, LevelWall, "x: 2 more refused"},
		{"a count that begins anew says nothing", Counter{Refused: 7}, Counter{Used: 1, Limit: 100, Refused: 2}, LevelFine, ""},
		{"a connect answered from a cookie", Counter{Refused: 7}, Counter{Name: "syncookies", Used: NotTold, Limit: NotTold, Refused: 9}, LevelNear, "syncookies: 2 more"},
		{"no limit, no wall", Counter{}, Counter{Used: 1 << 40, Limit: Unlimited}, LevelFine, ""},
		{"a limit that is not told", Counter{}, Counter{Used: 100, Limit: NotTold, Refused: NotTold}, LevelFine, ""},
		{"use that is not told", Counter{}, Counter{Used: NotTold, Limit: 100, Refused: NotTold}, LevelFine, ""},
		{"a limit of 0 is none", Counter{}, Counter{Used: 5, Limit: 0}, LevelFine, ""},
		{"a count that was not told before", Counter{Refused: NotTold}, Counter{Used: 1, Limit: 100, Refused: 9}, LevelFine, ""},
	} {
		if row.after.Name == "" {
			row.after.Name = "x"
		}
		row.before.Name, row.after.Unit = row.after.Name, "files"
		var w Watch
		if first := w.Look(Counters{row.before}, now); first.Rows[0].RefusedMore != 0 {
			t.Errorf("%s: the first look says that %d more were refused", row.name, first.Rows[0].RefusedMore)
		}
		look := w.Look(Counters{row.after, {Name: "other", Used: 1, Limit: 10}}, now)
		if got := look.Rows[0]; got.Level != row.level || got.Warning != row.warning || look.Level != row.level {
			t.Errorf("%s: %+v", row.name, look)
		}
	}
}

func TestALookHasItsKeys(t *testing.T) {
	var w Watch
	text, err := json.Marshal(w.Look(Counters{{Name: "sockets", Unit: "sockets", Used: 10, Limit: 40, Refused: NotTold, ItemBytes: NotTold}}, time.Unix(1_800_000_000, 0)))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"schema":1,"at":"2027-01-15T08:00:00Z","level":"fine","counters":[` +
		`{"name":"sockets","unit":"sockets","used":10,"limit":40,"percent":25,"refused_more":0,"level":"fine","warning":""}]}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if text, _ := json.Marshal(w.Look(nil, time.Unix(0, 0))); string(text) != `{"schema":1,"at":"1970-01-01T00:00:00Z","level":"fine","counters":[]}` {
		t.Errorf("an empty look: %s", text)
	}
}
