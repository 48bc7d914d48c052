package bench

import (
	"math"
	"math/rand/v2"
	"time"
)

// How people behave on the mixed day. Each figure is a choice: it is written here so that it can be argued with.
const (
	// absenceMedian and absenceSpread are the lognormal body of an absence: median 4 minutes, nine of ten under an hour.
	absenceMedian = 4 * time.Minute
	absenceSpread = 2.113
	// absenceBody is the share of the body; the rest is a Pareto tail that begins at absenceTail: a tenth of all absences is longer than
	// an hour, a hundredth longer than a day, none longer than absenceMax.
	absenceBody  = 0.9
	absenceTail  = time.Hour
	absenceSlope = 0.7245
	absenceMax   = 7 * 24 * time.Hour
	// visitSpread is the spread of a visit's length, lognormal; its mean follows from the share of users that is to be online.
	visitSpread = 1.2
	// payloadSpread is the spread of a message's size, lognormal around the configured mean.
	payloadSpread = 0.6
	// partnersMean is how many people somebody writes to. Seven of ten live near, the others are drawn so that low numbers have very many.
	partnersMean = 12
	partnersNear = 0.7
	// answerShare is how often somebody who has been written to answers, instead of beginning something else.
	answerShare = 0.7
	// patience is how many messages somebody writes to one who does not answer; patienceSpike on a holiday. After patienceAgain they write again.
	patience      = 3
	patienceSpike = 8
	patienceAgain = 6 * time.Hour
	// dayBegins is the hour at which a mixed day begins.
	dayBegins = 6.0
	// presenceBefore is how long people come and go before the day, so that it does not begin with everybody new.
	presenceBefore = 48 * time.Hour
	// absenceStep is the precision with which an absence is stretched over quiet hours.
	absenceStep = 5 * time.Minute
)

// activity is how much goes on at an hour of the day, 1 on average: a third of the evening at four in the morning.
func activity(hour float64) float64 {
	turn := func(peak, perDay float64) float64 { return math.Cos(2 * math.Pi * perDay * (hour - peak) / 24) }
	return 1 + 0.45*turn(19, 1) + 0.25*turn(21, 2)
}

// drawAbsence is how long somebody stays away, in time of average activity.
func drawAbsence(r *rand.Rand) time.Duration {
	if u := r.Float64(); u >= absenceBody {
		stretch := math.Pow((1-u)/(1-absenceBody), -1/absenceSlope)
		return time.Duration(math.Min(float64(absenceTail)*stretch, float64(absenceMax)))
	}
	for {
		if d := lognormal(r, float64(absenceMedian), absenceSpread); d < float64(absenceTail) {
			return time.Duration(d)
		}
	}
}

// absenceMean is the mean of drawAbsence: the integral of what is still away.
func absenceMean() time.Duration {
	body := func(t float64) float64 {
		return math.Erfc(-math.Log(t/float64(absenceMedian))/absenceSpread/math.Sqrt2) / 2
	}
	full := body(float64(absenceTail))
	var sum float64
	step := float64(10 * time.Second)
	for t := step / 2; t < float64(absenceTail); t += step {
		sum += step * (1 - absenceBody*body(t)/full)
	}
	tail, most := float64(absenceTail), float64(absenceMax)
	sum += (1 - absenceBody) * tail / (1 - absenceSlope) * (math.Pow(most/tail, 1-absenceSlope) - 1)
	return time.Duration(sum)
}

// endOfAbsence stretches an absence that begins at that time of the day over the hours: at night people stay away longer.
func endOfAbsence(from, absence time.Duration) time.Duration {
	at := from
	for left := float64(absence); ; at += absenceStep {
		gone := float64(absenceStep) * activity(dayBegins+at.Hours())
		if gone >= left {
			return at + time.Duration(float64(absenceStep)*left/gone)
		}
		left -= gone
	}
}

// drawVisit is how long somebody stays.
func drawVisit(r *rand.Rand, mean time.Duration) time.Duration {
	median := float64(mean) / math.Exp(visitSpread*visitSpread/2)
	return time.Duration(lognormal(r, median, visitSpread))
}

// drawSize is the size of a message.
func drawSize(r *rand.Rand, mean int) int {
	median := float64(mean) / math.Exp(payloadSpread*payloadSpread/2)
	return min(max(int(lognormal(r, median, payloadSpread)), mixBytesMin), mixBytesMax)
}

func lognormal(r *rand.Rand, median, spread float64) float64 {
	return median * math.Exp(spread*r.NormFloat64())
}

// friend is one edge of the graph of who writes to whom, seen from one side.
type friend struct {
	user   uint32
	back   uint32        // my place in that user's list
	mine   uint8         // messages of mine since they wrote last
	owed   bool          // they wrote last
	lastAt time.Duration // when I wrote last
}

// drawFriends makes the graph. Everybody has a few partners, near ones and well-known ones; a few people are partners of very many.
func drawFriends(r *rand.Rand, users int) [][]friend {
	graph := make([][]friend, users)
	known := map[uint64]bool{}
	link := func(a, b int) {
		key := uint64(min(a, b))<<32 | uint64(max(a, b))
		if a == b || known[key] {
			return
		}
		known[key] = true
		graph[a] = append(graph[a], friend{user: uint32(b), back: uint32(len(graph[b]))})
		graph[b] = append(graph[b], friend{user: uint32(a), back: uint32(len(graph[a]) - 1)})
	}
	for a := range users {
		for n := 1 + r.IntN(partnersMean-1); n > 0; n-- {
			if r.Float64() < partnersNear {
				link(a, (a+1+r.IntN(20))%users)
				continue
			}
			u := r.Float64()
			link(a, int(u*u*u*float64(users)))
		}
		if len(graph[a]) == 0 {
			link(a, (a+1)%users)
		}
	}
	return graph
}

// pick is which of n partners somebody writes to: the first of the list most often, as by Zipf's law.
func pick(r *rand.Rand, n int) int {
	return int(math.Pow(float64(n+1), r.Float64())) - 1
}
