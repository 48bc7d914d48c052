package mysql

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// placement says which shard keeps a user.
type placement struct {
	seed   [seedBytes]byte
	shards int
}

// shard is the user's: see the package doc. It never changes while seed and number do not.
func (p *placement) shard(user uint64) int {
	if p.shards == 1 {
		return 0
	}
	mac := hmac.New(sha256.New, p.seed[:])
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, user)) // never fails
	at, _ := bits.Mul64(binary.BigEndian.Uint64(mac.Sum(nil)), uint64(p.shards))
	return int(at)
}

// placed is what a shard's own schema says of the placement.
type placed struct {
	there    bool // it says something
	done     bool // all shards had been told: users may have been placed
	users    bool // it keeps some
	seed     [seedBytes]byte
	shards   int
	position int
}

// settle compares what the shards say. fresh: no user was ever placed, so all of them may be told anew. Otherwise the seed stands, and those
// that are not done may be told so. Errors: ErrPlacement with the number of the shard that is wrong.
func settle(rows []placed) (seed [seedBytes]byte, fresh bool, wrong int, err error) {
	first := -1
	for i := range rows {
		if rows[i].users && !rows[i].there {
			return seed, false, i, fmt.Errorf("%w: it keeps users, and its table placement is empty", ErrPlacement)
		}
		if rows[i].done && first < 0 {
			first = i
		}
	}
	if first < 0 {
		return seed, true, 0, nil
	}
	seed = rows[first].seed
	for i := range rows {
		if why := rows[i].differs(seed, len(rows), i); why != "" {
			return seed, false, i, fmt.Errorf("%w: %s; users are not moved", ErrPlacement, why)
		}
	}
	return seed, false, 0, nil
}

// differs says what is wrong with a shard at a position, in words; "": nothing is.
func (r *placed) differs(seed [seedBytes]byte, shards, position int) string {
	switch {
	case !r.there:
		return "it is empty, and others beside it are in use: restore it, or leave it out"
	case r.seed != seed:
		return "it belongs to other accounts than the shards before it"
	case r.shards != shards:
		return fmt.Sprintf("it is one of %d shards, and %d are given", r.shards, shards)
	case r.position != position:
		return fmt.Sprintf("it is number %d of %d, and given as number %d", r.position+1, r.shards, position+1)
	}
	return ""
}
