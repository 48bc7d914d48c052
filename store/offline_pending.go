package store

import (
	"errors"
	"fmt"
)

// errPendingIndex is beside ErrOfflineDamaged in what a check says of the index of those with something to go on with: nothing is lost with it.
var errPendingIndex = fmt.Errorf("%w: the index of who has something to go on with", ErrOfflineDamaged)

// EachPending calls f for every user with something in DevicePending, in the order of keys, from the one after the given one on; nil begins at the
// first. It goes on until f returns false. It reads the index alone.
func (o *Offline) EachPending(after *uint64, f func(user uint64) bool) error {
	from := []byte{prefixOfflinePending}
	if after != nil {
		from = append(pendingKey(nil, o.opts.Fragment(*after), *after), 0)
	}
	err := o.scan(from, []byte{prefixOfflinePending + 1}, nil, func(k, v []byte) (bool, error) {
		user, err := o.pendingOf(k, v)
		return err == nil && f(user), err
	})
	return o.explain("read", err)
}

// pendingOf reads a key of the index; what is none is damage.
func (o *Offline) pendingOf(k, v []byte) (user uint64, err error) {
	key, fragment, ok := parseOfflineKey(k)
	if !ok || k[0] != prefixOfflinePending || fragment != o.opts.Fragment(key.User) || len(v) != 1 || v[0] != offlinePendingVersion {
		return 0, o.place.damaged(fmt.Sprintf("a key of the index at %x can't be read", k))
	}
	return key.User, nil
}

// indexed says whether the index tells the truth about a mailbox.
func (m *walked) indexed() bool {
	return m.device != DevicePending || m.pending == (m.head != nil && m.head.Waiting() > 0)
}

// indexProblem says what is wrong with a mailbox's place in the index.
func (o *Offline) indexProblem(m *walked) *DamageError {
	why := fmt.Sprintf("user %d has something to go on with, and is not in the index", m.user)
	if m.pending {
		why = fmt.Sprintf("user %d is in the index of those with something to go on with, and has nothing", m.user)
	}
	return &DamageError{Path: o.opts.Dir, Offset: -1, Why: why, Err: errPendingIndex}
}

// lossless says whether a problem that a check has found costs nothing that anybody has sent.
func lossless(err error) bool { return errors.Is(err, errPendingIndex) }
