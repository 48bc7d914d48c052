package client

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// fileState is a State in one bbolt file. Buckets, all numbers big-endian:
//
//	marks    "v1"                                    -> user u64, device u8, gen u16, incarnation u64, last u64, ticked u64,
//	                                                    next u64, epoch u32, token u64
//	identity "v1"                                    -> see appendIdentity; empty on the plain transport, and in files of before
//	outbox   cseq u64                                -> entry, see appendEntry
//	streams  user u64, device u8, gen u16, group u64 -> id u64, below u64, used u64
//	sent     id u64                                  -> peer u64, level u8, rejected u8
//	inbox    no u64                                  -> message, see appendReceived
//	groups   group u64                               -> see appendKnownGroup; this and what follows is empty in files of before
//	devices  user u64                                -> see appendKnownDevices
//	again    id u64                                  -> see appendAgain
type fileState struct {
	db  *bbolt.DB
	key []byte // the commits' scratch: bbolt keeps keys until the transaction ends, so each use appends
}

const (
	marksBytes     = 8 + 1 + 2 + 8 + 8 + 8 + 8 + 4 + 8
	streamKeyBytes = 8 + 1 + 2 + 8
	streamBytes    = 8 + 8 + 8
	sentBytes      = 8 + 1 + 1
)

// The names of the buckets and of the one key in marks and in identity.
const (
	bucketMarks    = "marks"
	bucketIdentity = "identity"
	bucketOutbox   = "outbox"
	bucketStreams  = "streams"
	bucketSent     = "sent"
	bucketInbox    = "inbox"
	bucketGroups   = "groups"
	bucketDevices  = "devices"
	bucketAgain    = "again"
	keyMarks       = "v1"
	keyIdentity    = "v1"
)

// OpenState opens or creates the file of one device (mode 0600; its folder must exist) and locks it until Close.
// Errors: ErrStateInUse when another process or client holds it, ErrStateDamaged when it is no such file; others are
// the system's.
func OpenState(path string) (State, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: stateLockTimeout, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s", ErrStateInUse, path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %s: %w", ErrStateDamaged, path, err)
	case err != nil:
		return nil, fmt.Errorf("open state %s: %w", path, err)
	}
	s := &fileState{db: db}
	if err := db.Update(createBuckets); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare state %s: %w", path, err), db.Close())
	}
	return s, nil
}

func createBuckets(tx *bbolt.Tx) error {
	for _, name := range []string{
		bucketMarks, bucketIdentity, bucketOutbox, bucketStreams, bucketSent, bucketInbox, bucketGroups, bucketDevices, bucketAgain,
	} {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

// Close lets the file go. Safe to call twice.
func (s *fileState) Close() error { return s.db.Close() }

// Load reads everything.
func (s *fileState) Load() (Snapshot, error) {
	var snap Snapshot
	err := s.db.View(func(tx *bbolt.Tx) error { return loadAll(tx, &snap) })
	if err != nil {
		return Snapshot{}, fmt.Errorf("%w: %s: %w", ErrStateDamaged, s.db.Path(), err)
	}
	sortSnapshot(&snap)
	return snap, nil
}

func loadAll(tx *bbolt.Tx, snap *Snapshot) error {
	marks := tx.Bucket([]byte(bucketMarks))
	v := marks.Get([]byte(keyMarks))
	if v == nil {
		if k, _ := marks.Cursor().First(); k != nil {
			return fmt.Errorf("marks of version %q", k)
		}
		return nil // new file
	}
	if len(v) != marksBytes {
		return fmt.Errorf("marks have %d bytes", len(v))
	}
	snap.Marks = parseMarks(v)
	var err error
	if snap.Identity, err = loadIdentity(tx.Bucket([]byte(bucketIdentity))); err != nil {
		return err
	}
	err = tx.Bucket([]byte(bucketOutbox)).ForEach(func(k, v []byte) error {
		e, err := parseEntry(k, v)
		if err == nil && e.Cseq > snap.Marks.Ticked {
			snap.Outbox = append(snap.Outbox, e)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = tx.Bucket([]byte(bucketStreams)).ForEach(func(k, v []byte) error {
		if len(k) != streamKeyBytes || len(v) != streamBytes {
			return fmt.Errorf("stream row of %d and %d bytes", len(k), len(v))
		}
		snap.Streams = append(snap.Streams, parseStream(k, v))
		return nil
	})
	if err != nil {
		return err
	}
	err = tx.Bucket([]byte(bucketInbox)).ForEach(func(k, v []byte) error {
		r, err := parseReceived(k, v)
		snap.Inbox = append(snap.Inbox, r)
		return err
	})
	if err != nil {
		return err
	}
	if err := loadKnown(tx, snap); err != nil {
		return err
	}
	return tx.Bucket([]byte(bucketSent)).ForEach(func(k, v []byte) error {
		if len(k) != 8 || len(v) != sentBytes {
			return fmt.Errorf("sent row of %d and %d bytes", len(k), len(v))
		}
		snap.Sent = append(snap.Sent, Sent{
			ID: binary.BigEndian.Uint64(k), Peer: binary.BigEndian.Uint64(v), Level: TickLevel(v[8] & 15), Unless: TickLevel(v[8] >> 4), Rejected: v[9],
		})
		return nil
	})
}

// Commit writes c in one transaction: one sync of the file.
func (s *fileState) Commit(c *Change) error {
	s.key = s.key[:0]
	return s.db.Update(func(tx *bbolt.Tx) error {
		if err := tx.Bucket([]byte(bucketMarks)).Put([]byte(keyMarks), appendMarks(nil, &c.Marks)); err != nil {
			return err
		}
		if err := commitIdentityRow(tx.Bucket([]byte(bucketIdentity)), c.Identity); err != nil {
			return err
		}
		if err := s.commitOutbox(tx.Bucket([]byte(bucketOutbox)), c); err != nil {
			return err
		}
		if err := s.commitStreams(tx.Bucket([]byte(bucketStreams)), c); err != nil {
			return err
		}
		if err := s.commitInbox(tx.Bucket([]byte(bucketInbox)), c); err != nil {
			return err
		}
		if err := s.commitKnown(tx, c); err != nil {
			return err
		}
		return s.commitSent(tx.Bucket([]byte(bucketSent)), c)
	})
}

func (s *fileState) commitOutbox(b *bbolt.Bucket, c *Change) error {
	for i := range c.Put {
		if err := b.Put(s.number(c.Put[i].Cseq), appendEntry(nil, &c.Put[i])); err != nil {
			return err
		}
	}
	return dropUpTo(b, c.Marks.Ticked)
}

func (s *fileState) commitStreams(b *bbolt.Bucket, c *Change) error {
	for _, k := range c.StreamsGone {
		if err := b.Delete(s.stream(k)); err != nil {
			return err
		}
	}
	for i := range c.Streams {
		r := &c.Streams[i]
		v := binary.BigEndian.AppendUint64(nil, r.ID)
		v = binary.BigEndian.AppendUint64(v, r.Below)
		v = binary.BigEndian.AppendUint64(v, r.Used)
		if err := b.Put(s.stream(r.StreamKey), v); err != nil {
			return err
		}
	}
	return nil
}

func (s *fileState) commitSent(b *bbolt.Bucket, c *Change) error {
	for _, r := range c.Sent {
		v := binary.BigEndian.AppendUint64(nil, r.Peer)
		if err := b.Put(s.number(r.ID), append(v, byte(r.Level)|byte(r.Unless)<<4, r.Rejected)); err != nil {
			return err
		}
	}
	return dropUpTo(b, c.SentGone)
}

// number is a key that stays as it is until the commit's end.
func (s *fileState) number(n uint64) []byte {
	from := len(s.key)
	s.key = binary.BigEndian.AppendUint64(s.key, n)
	return s.key[from:len(s.key):len(s.key)]
}

func (s *fileState) stream(k StreamKey) []byte {
	from := len(s.key)
	s.key = binary.BigEndian.AppendUint64(s.key, k.User)
	s.key = append(s.key, k.Device)
	s.key = binary.BigEndian.AppendUint16(s.key, k.Gen)
	s.key = binary.BigEndian.AppendUint64(s.key, k.Group)
	return s.key[from:len(s.key):len(s.key)]
}

// dropUpTo deletes the rows whose numbers are not above n. They are at the bucket's front.
func dropUpTo(b *bbolt.Bucket, n uint64) error {
	c := b.Cursor()
	for k, _ := c.First(); len(k) == 8 && binary.BigEndian.Uint64(k) <= n; k, _ = c.First() {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

func appendMarks(b []byte, m *Marks) []byte {
	b = binary.BigEndian.AppendUint64(b, m.User)
	b = append(b, m.Device)
	b = binary.BigEndian.AppendUint16(b, m.Generation)
	b = binary.BigEndian.AppendUint64(b, m.Incarnation)
	b = binary.BigEndian.AppendUint64(b, m.LastSeq)
	b = binary.BigEndian.AppendUint64(b, m.Ticked)
	b = binary.BigEndian.AppendUint64(b, m.NextCseq)
	b = binary.BigEndian.AppendUint32(b, m.Epoch)
	return binary.BigEndian.AppendUint64(b, m.Token)
}

// parseMarks undoes appendMarks; the caller has checked the length.
func parseMarks(b []byte) Marks {
	be := binary.BigEndian
	return Marks{
		User: be.Uint64(b), Device: b[8], Generation: be.Uint16(b[9:]), Incarnation: be.Uint64(b[11:]),
		LastSeq: be.Uint64(b[19:]), Ticked: be.Uint64(b[27:]), NextCseq: be.Uint64(b[35:]),
		Epoch: be.Uint32(b[43:]), Token: be.Uint64(b[47:]),
	}
}

func parseStream(k, v []byte) Stream {
	be := binary.BigEndian
	return Stream{
		StreamKey: StreamKey{User: be.Uint64(k), Device: k[8], Gen: be.Uint16(k[9:]), Group: be.Uint64(k[11:])},
		ID:        be.Uint64(v), Below: be.Uint64(v[8:]), Used: be.Uint64(v[16:]),
	}
}
