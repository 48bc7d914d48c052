package bench

// crewOrders is a part of a run's load: what one host or one process is to do. What is counted is divided, so that the parts add up.
type crewOrders struct {
	Server    string    `json:"server"`
	Transport Transport `json:"transport"`
	Key       []byte    `json:"key,omitempty"` // with Noise: the server's static key

	First       uint64 `json:"first"`       // user id of index 0 of the whole run
	From        int    `json:"from"`        // index of the first user of this part
	Connections int    `json:"connections"` // held at once; with Away a multiple of Cell
	Away        int    `json:"away"`        // further users, who are not there at first
	Cell        int    `json:"cell"`        // users who know each other: indexes From+k*Cell and on
	Talk        int    `json:"talk"`        // the first cells, which write
	Stalled     int    `json:"stalled"`     // of them the first, whose readers stall when told
	Mixed       int    `json:"mixed"`       // 1: everybody writes to everybody of the cell; 0: the first writes to the second

	Bytes      int     `json:"bytes"`
	Ramp       float64 `json:"ramp"`   // connections a second that come in; 0: as fast as they log in
	Rate       float64 `json:"rate"`   // messages a second
	Logins     float64 `json:"logins"` // users a second who leave for one who comes
	GroupShare float64 `json:"group_share"`
	Read       float64 `json:"read"`
	Typing     float64 `json:"typing"`
	State      float64 `json:"state"` // STATE frames for each login: 0 to 2
	Back       float64 `json:"back"`  // connections a second that come back after a cut; 0: all at once
	Seed       uint64  `json:"seed"`

	Sources   []string `json:"sources,omitempty"` // source addresses of this part; none: the system's choice
	PerSource int      `json:"per_source"`
}

// users is how many there are, away or not.
func (o crewOrders) users() int { return o.Connections + o.Away }

// split divides a load into parts by weights, at the borders of cells, so that whoever knows each other is in one part. Counts add up to those of the
// whole; rates are divided by connections. Parts without a cell are left out.
func (o crewOrders) split(weights []int) []crewOrders {
	total := 0
	for _, w := range weights {
		total += w
	}
	cells := o.users() / o.Cell
	// upTo is what lies before the border of `sum` weights.
	upTo := func(n, sum int) int { return int(int64(n) * int64(sum) / int64(max(total, 1))) }
	var parts []crewOrders
	sum := 0
	for i, w := range weights {
		low, high := upTo(cells, sum), upTo(cells, sum+w)
		part := o
		part.From = o.From + low*o.Cell
		part.Away = portion(o.Away, low, high, cells)
		part.Connections = (high-low)*o.Cell - part.Away
		part.Talk, part.Stalled = portion(o.Talk, low, high, cells), portion(o.Stalled, low, high, cells)
		part.Seed = o.Seed + uint64(i)<<32
		sum += w
		if high == low {
			continue
		}
		part.scale(float64(part.Connections)/float64(o.Connections), ratio(float64(part.Talk), float64(o.Talk)))
		parts = append(parts, part)
	}
	return parts
}

// portion is the part of n that lies between cells low and high of all, so that all parts add up to n.
func portion(n, low, high, all int) int {
	return int(int64(n)*int64(high)/int64(all)) - int(int64(n)*int64(low)/int64(all))
}

// scale divides the rates: connections come by their number, messages by who talks.
func (o *crewOrders) scale(connections, talk float64) {
	o.Ramp *= connections
	o.Logins *= connections
	o.Back *= connections
	if o.Mixed == 1 {
		talk = connections
	}
	o.Rate *= talk
}

// crewCommand is what a run tells its generators, one after the other.
type crewCommand struct {
	Do string `json:"do"`
	N  int    `json:"n,omitempty"`

	Orders *crewOrders `json:"orders,omitempty"` // with crewBegin
}

// The commands. All but crewTake and crewCheck return at once; counters say when what they began is done.
const (
	crewHello    = "hello"    // a coordinator is there
	crewFacts    = "facts"    // of the host: how many connections it can hold towards the server of Orders
	crewBegin    = "begin"    // make ready for Orders
	crewStatus   = "stat"     // no more than the counters
	crewRegister = "register" // those who will be away come once, and leave
	crewCome     = "come"     // all others come
	crewGroups   = "groups"   // each cell makes its group
	crewStart    = "start"    // messages and comings and goings begin
	crewPhase    = "phase"    // N: what is due from now on belongs to that span
	crewTake     = "take"     // N: the histograms of that span
	crewStall    = "stall"    // readers stop reading
	crewUnstall  = "unstall"  // and read on
	crewCut      = "cut"      // all who do not talk are cut, and come back
	crewCheck    = "check"    // what was sent before the last check and should be there, but is not
	crewStop     = "stop"     // nothing new is sent, nobody leaves
	crewFetch    = "fetch"    // those come for whom something waits
)

// crewFactsAnswer is what a host can take.
type crewFactsAnswer struct {
	Name    string   `json:"name"`
	Version int      `json:"version"`
	Machine Machine  `json:"machine"`
	Plan    PortPlan `json:"plan"`
}

// crewStat is what generators answer.
type crewStat struct {
	Counts  [countKinds]int64 `json:"counts"`
	CPU     int64             `json:"cpu_ns"`
	RSS     int64             `json:"rss_bytes"`
	Workers int               `json:"workers"` // processes
	Hists   map[string][]byte `json:"hists,omitempty"`
	Facts   *crewFactsAnswer  `json:"facts,omitempty"`
	Trouble string            `json:"trouble,omitempty"` // the first thing that went wrong with a session
	Error   string            `json:"error,omitempty"`
}

// countKind names a counter.
type countKind int

// The counters of a generator. Those up to countWaiting are states, the others count up.
const (
	countThere    countKind = iota // sessions that are logged in
	countOpen                      // connections
	countStalled                   // sessions that do not read
	countComing                    // users who are to be there, and are not yet
	countWaiting                   // what users have to send, sent and not ticked included
	countBehind                    // deliveries that are still to come, to whoever is there or not
	countBack                      // users who were cut and are not back
	countLogins                    // logins done
	countReturned                  // of them, of users who had been there
	countRegistered
	countGroups   // made
	countSent     // messages given to the generator's outboxes
	countUnsent   // messages that were due and found an outbox full, or nobody to send them
	countExpected // deliveries that they mean
	countDelivered
	countFetched // of them, to users who were not there when the message was due
	countDuplicated
	countRedelivered // again after a session was ended by the server: allowed
	countReordered
	countCorrupted
	countTicked // outbox entries with a first tick: messages and receipts
	countSecond
	countRejected // deliveries that will not come, because the message was rejected
	countRefused  // refusals for a while; sent again
	countReadsSent
	countReadsGot
	countTypingSent
	countTypingGot
	countStateSent
	countPresenceGot
	countSubscribed
	countLeft        // users who left
	countCut         // connections that the run cut
	countClosed      // connections that the server or the network ended
	countDenied      // logins that the server refused for good
	countUnreachable // connects that failed; tried again
	countLostData    // logins that found the server without its data
	countOverdue     // at the last check: deliveries with a first tick that present users have been without since the check before
	countKinds
)

// plus adds another part's answer. Histograms are added by mergeHists.
func (s crewStat) plus(o crewStat) crewStat {
	for i := range s.Counts {
		s.Counts[i] += o.Counts[i]
	}
	s.CPU += o.CPU
	s.RSS += o.RSS
	s.Workers += o.Workers
	if s.Trouble == "" {
		s.Trouble = o.Trouble
	}
	if s.Error == "" {
		s.Error = o.Error
	}
	return s
}

// at reads one counter.
func (s crewStat) at(k countKind) int64 { return s.Counts[k] }
