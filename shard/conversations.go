package shard

// conversations remembers who has exchanged messages with whom lately, so that only first messages to somebody count as new
// conversations. It has a fixed size: buckets of four fingerprints, the latest first; a new pair pushes the oldest of its bucket
// out. A pair that was pushed out just counts once more when it goes on.
//
// A pair is a user of this loop and a peer. Both directions are entered when a message is taken: the sender's on the sender's home
// loop in the step that routes it, the recipient's on the recipient's home loop when it takes the route. So the look-up never
// leaves the sender's loop, and to answer is never a new conversation.
//
// The hash is seeded with the placement's secret: nobody can aim at a bucket. Two pairs share bucket and fingerprint once in a
// billion look-ups; then a first message goes through uncounted.
type conversations struct {
	placement Placement
	buckets   []conversationBucket // none: nobody asks
}

type conversationBucket [conversationWays]uint32

const conversationWays = 4

func newConversations(p Placement, asked bool) *conversations {
	c := &conversations{placement: p}
	if asked {
		c.buckets = make([]conversationBucket, conversationsMax/conversationWays) // no page of it is real before it is used
	}
	return c
}

// find takes a pair's hash apart.
func (c *conversations) find(hash uint64) (b *conversationBucket, print uint32) {
	return &c.buckets[hash%uint64(len(c.buckets))], max(uint32(hash>>32), 1)
}

// knows says whether a pair is remembered.
func (c *conversations) knows(hash uint64) bool {
	b, print := c.find(hash)
	for _, p := range b {
		if p == print {
			return true
		}
	}
	return false
}

// enter makes a pair the latest of its bucket.
func (c *conversations) enter(hash uint64) {
	b, print := c.find(hash)
	pushed := print
	for i, p := range b {
		b[i] = pushed
		if p == print {
			return
		}
		pushed = p
	}
}

// met enters a pair, if anybody asks.
func (c *conversations) met(user, peer uint64) {
	if len(c.buckets) > 0 && user != peer {
		c.enter(c.placement.pair(user, peer))
	}
}

// converse charges a message to somebody new; out.met has the pair entered with the step's other effects.
func (m *mailbox) converse(now int64, peer uint64, w *world, out *effects) (next uint32, wait int64) {
	c := w.pairs
	if len(c.buckets) == 0 || m.user == peer {
		return m.conversations, 0
	}
	hash := c.placement.pair(m.user, peer)
	if !c.knows(hash) {
		if next, wait = w.converses.take(m.conversations, now, 0); wait > 0 {
			return next, wait
		}
		w.stats.Conversations++
	} else {
		next = m.conversations
	}
	out.met, out.hasMet = hash, true
	return next, 0
}
