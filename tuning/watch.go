package tuning

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Level says how near to its wall something is.
type Level string

// The levels.
const (
	LevelFine Level = "fine"
	LevelNear Level = "near" // WatchNearPercent of the limit
	LevelWall Level = "wall" // WatchWallPercent of the limit, or something was refused since the last look
)

// Watched is one counter as Watch shows it.
type Watched struct {
	Counter
	Percent     float64 // of the limit, down to a tenth; NotTold where there is none
	RefusedMore int64   // refused since the last look; 0 at the first
	Level       Level
	Warning     string // "" when all is fine
}

// Look is what Watch saw at one moment.
type Look struct {
	At    time.Time
	Rows  []Watched
	Level Level // of the worst row
}

// Watch turns counters into looks: how full, how many more refused. The zero value is ready; it is used by one goroutine.
type Watch struct {
	last Counters
}

// Look compares counters with those of the last look.
func (w *Watch) Look(c Counters, at time.Time) Look {
	look := Look{At: at, Level: LevelFine}
	for _, row := range c {
		before, seen := w.last.Find(row.Name)
		seen = seen && before.Refused != NotTold
		look.Rows = append(look.Rows, watched(row, before.Refused, seen))
		look.Level = worse(look.Level, look.Rows[len(look.Rows)-1].Level)
	}
	w.last = append(w.last[:0], c...)
	return look
}

// watched judges one counter. A count that fell was begun anew: nothing is known of what it refused before.
func watched(row Counter, before int64, seen bool) Watched {
	out := Watched{Counter: row, Percent: NotTold, Level: LevelFine}
	if row.Limit > 0 && row.Limit != Unlimited && row.Used >= 0 {
		out.Percent = math.Floor(1000*float64(row.Used)/float64(row.Limit)) / 10
	}
	if seen && row.Refused > before {
		out.RefusedMore = row.Refused - before
	}
	switch {
	case out.RefusedMore > 0 && harmless(row.Name):
		out.Level, out.Warning = LevelNear, fmt.Sprintf("%s: %d more", row.Name, out.RefusedMore)
	case out.RefusedMore > 0:
		out.Level, out.Warning = LevelWall, fmt.Sprintf("%s: %d more refused", row.Name, out.RefusedMore)
	case out.Percent >= WatchWallPercent:
		out.Level, out.Warning = LevelWall, fmt.Sprintf("%s: %.0f %% of %d %s", row.Name, out.Percent, row.Limit, row.Unit)
	case out.Percent >= WatchNearPercent:
		out.Level, out.Warning = LevelNear, fmt.Sprintf("%s: %.0f %% of %d %s", row.Name, out.Percent, row.Limit, row.Unit)
	}
	return out
}

// harmless says of what is refused that nobody is sent away by it: a cookie answers in place of a half-open connection, a
// peer's round trip is forgotten, a closed connection goes early.
func harmless(name string) bool {
	return name == "syncookies" || name == "hostcache" || name == "time_wait"
}

// worse is the worse of two levels.
func worse(a, b Level) Level {
	for _, level := range []Level{LevelWall, LevelNear} {
		if a == level || b == level {
			return level
		}
	}
	return LevelFine
}

type watchedForm struct {
	counterForm
	Percent     *float64 `json:"percent,omitempty"`
	RefusedMore int64    `json:"refused_more"`
	Level       Level    `json:"level"`
	Warning     string   `json:"warning"`
}

// MarshalJSON has the keys of a Counter and percent, refused_more, level, warning; percent is left out where there is no limit.
func (w Watched) MarshalJSON() ([]byte, error) {
	c := w.Counter
	form := watchedForm{counterForm{c.Name, c.Unit, told(c.Used), told(c.Limit), told(c.Refused), told(c.ItemBytes)}, nil, w.RefusedMore, w.Level, w.Warning}
	if w.Percent != NotTold {
		form.Percent = &w.Percent
	}
	return json.Marshal(form)
}

type lookForm struct {
	Schema int       `json:"schema"`
	At     string    `json:"at"`
	Level  Level     `json:"level"`
	Rows   []Watched `json:"counters"`
}

// MarshalJSON has the keys schema, at, level, counters.
func (l Look) MarshalJSON() ([]byte, error) {
	return json.Marshal(lookForm{Schema, l.At.UTC().Format(time.RFC3339Nano), l.Level, list(l.Rows)})
}
