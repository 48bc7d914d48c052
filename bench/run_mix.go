package bench

import "fmt"

// What was published of the fleet in 2014: at its peak 147 million connections, 230,000 logins, 342,000 messages in and 712,000 out a second.
const (
	publishedConnections = 147e6
	publishedLogins      = 230e3
	publishedIn          = 342e3
	publishedOut         = 712e3
)

// MixShares are what the published mix leaves open. The zero value of a field means its default; a share below 0 means none.
type MixShares struct {
	GroupSize int     `json:"group_size"` // users of one circle, who write to each other and have one group; default 8
	Offline   float64 `json:"offline"`    // share of all users who are away at a time; default 0.25
	Read      float64 `json:"read"`       // read receipts for each direct message that arrived; default 1
	Typing    float64 `json:"typing"`     // TYPING before each direct message; default 1
	Presence  float64 `json:"presence"`   // STATE changes for each login: looked at, put away; default 2
}

// withDefaults fills zero fields.
func (s MixShares) withDefaults() MixShares {
	if s.GroupSize == 0 {
		s.GroupSize = 8
	}
	for _, f := range []struct {
		to   *float64
		size float64
	}{{&s.Offline, 0.25}, {&s.Read, 1}, {&s.Typing, 1}, {&s.Presence, 2}} {
		switch {
		case *f.to == 0:
			*f.to = f.size
		case *f.to < 0:
			*f.to = 0
		}
	}
	return s
}

// validate reports the first share that is out of its limits.
func (s MixShares) validate() error {
	for _, err := range []error{
		within("group size", s.GroupSize, 4, RunCellMax),
		withinNumber("offline share", s.Offline, 0, 0.5),
		withinNumber("read receipts", s.Read, 0, 1),
		withinNumber("typing", s.Typing, 0, 1),
		withinNumber("state changes a login", s.Presence, 0, 2),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// MixRates is the load that a number of connections stands for, and where each figure comes from.
type MixRates struct {
	Connections int     `json:"connections"`
	Away        int     `json:"users_away"`
	Logins      float64 `json:"logins_per_second"`
	In          float64 `json:"messages_in_per_second"`
	Out         float64 `json:"messages_out_per_second"`
	GroupShare  float64 `json:"group_share"` // of the messages in
	GroupIn     float64 `json:"group_messages_in_per_second"`
	Read        float64 `json:"read_receipts_per_second"`
	Typing      float64 `json:"typing_per_second"`
	State       float64 `json:"state_changes_per_second"`
	Factor      float64 `json:"factor"` // how many times the published rates

	Shares MixShares `json:"shares"`
}

// ScaleMix derives the rates of the published mix for a number of connections; factor multiplies all of them. It is pure.
func ScaleMix(connections int, shares MixShares, factor float64) MixRates {
	scale := float64(connections) / publishedConnections * factor
	r := MixRates{Connections: connections, Factor: factor, Shares: shares}
	r.Logins, r.In, r.Out = publishedLogins*scale, publishedIn*scale, publishedOut*scale
	// A direct message goes out once, one to a group to all others: (1-g) + g(size-1) = out/in.
	r.GroupShare = (publishedOut/publishedIn - 1) / float64(shares.GroupSize-2)
	r.GroupIn = r.In * r.GroupShare
	direct := r.In - r.GroupIn
	r.Read, r.Typing, r.State = direct*shares.Read, direct*shares.Typing, r.Logins*shares.Presence
	r.Away = int(float64(connections) * shares.Offline / (1 - shares.Offline))
	return r
}

// Lines are the rates with their sources, for people.
func (r MixRates) Lines() []string {
	published := "published: 147 M connections, "
	if r.Factor != 1 {
		published = fmt.Sprintf("%.4g times the published: 147 M connections, ", r.Factor)
	}
	line := func(what string, v float64, source string) string {
		return fmt.Sprintf("%-16s %10.1f/s  %s", what, v, source)
	}
	return []string{
		line("logins", r.Logins, published+"230 k logins/s (peak of 2014)"),
		line("messages in", r.In, published+"342 k messages in/s"),
		line("messages out", r.Out, published+"712 k messages out/s, 2.08 for each one in"),
		line("  to groups", r.GroupIn, fmt.Sprintf("derived: with groups of %d the ratio needs %.1f %% of the messages in", r.Shares.GroupSize, 100*r.GroupShare)),
		line("read receipts", r.Read, fmt.Sprintf("assumed: %.4g for each direct message, most when all are online", r.Shares.Read)),
		line("typing", r.Typing, fmt.Sprintf("assumed: %.4g before each direct message", r.Shares.Typing)),
		line("state changes", r.State, fmt.Sprintf("assumed: %.4g a login; who knows each other is told", r.Shares.Presence)),
		fmt.Sprintf("%-16s %10d    assumed: %.0f %% of all users are away; messages to them wait", "users away", r.Away, 100*r.Shares.Offline),
	}
}
