package secure

import "encoding/binary"

// Link is what an encrypted connection keeps: two keys and two counters, 80 bytes, no pointers. The zero Link has no keys yet.
// It is used by one goroutine. Source: Noise revision 34, section 5 (CipherState), empty associated data.
type Link struct {
	sealKey [32]byte
	openKey [32]byte
	sealed  uint64 // records sealed
	opened  uint64 // low 47 bits: records opened; bit 47: confirmed; high 16: bytes at the front of the input that are plaintext already
}

// LinkBytes is how long Append makes a link.
const LinkBytes = 80

const (
	openedMask   = 1<<47 - 1
	confirmedBit = 1 << 47
	restShift    = 48
	recordHead   = 2 // length u16 of ciphertext and tag
)

// Keyed says whether the handshake is over.
func (k *Link) Keyed() bool {
	return !isZero(&k.sealKey) || !isZero(&k.openKey)
}

// Confirmed says whether a record of the peer was authentic under these keys: before, its first flight may be a replay.
func (k *Link) Confirmed() bool { return k.opened&confirmedBit != 0 }

func (k *Link) rest() int { return int(k.opened >> restShift) }

func (k *Link) setRest(n int) { k.opened = k.opened&(1<<restShift-1) | uint64(n)<<restShift }

// Seal appends one record holding frames (whole frames, 0 to RecordPlainMax bytes) to dst: length u16, ciphertext, tag. Allocates nothing
// when dst has room. The frames may lie in dst's spare room already, exactly two bytes behind its end: they are then sealed where they
// are. Otherwise they must not overlap that room. With an error dst is returned as it was.
// Errors: ErrRecordTooLarge, ErrExhausted (after RecordsMax records).
func (k *Link) Seal(dst, frames []byte) ([]byte, error) {
	if len(frames) > RecordPlainMax {
		return dst, ErrRecordTooLarge
	}
	if k.sealed >= RecordsMax {
		return dst, ErrExhausted
	}
	out := binary.BigEndian.AppendUint16(dst, uint16(len(frames)+TagBytes))
	out = sealRecord(&k.sealKey, k.sealed, out, frames)
	k.sealed++
	return out, nil
}

// Plain gives the plaintext at the front of the input b: what was left over of the last record (or of early data), else the next record,
// opened in place; empty records are passed over. plain is b[at:at+len(plain)]. len(plain) == 0 with a nil error: nothing whole is there, at
// is what may be dropped from b. An opened record stays opened: the caller keeps what it does not Consume as changed, and drops at bytes
// even when it consumes none of plain.
// Errors: ErrRecord (forged, reordered, truncated, replayed or too short: close without a word), ErrExhausted. Allocates nothing.
func (k *Link) Plain(b []byte) (plain []byte, at int, err error) {
	if n := k.rest(); n != 0 {
		if len(b) < n+TagBytes {
			return nil, 0, ErrRecord // the caller has lost bytes
		}
		return b[:n:n], 0, nil
	}
	for {
		end, err := k.whole(b[at:])
		if err != nil || end == 0 {
			return nil, at, err
		}
		plain, err = k.open(b[at : at+end])
		if err != nil {
			return nil, at, err
		}
		k.opened = (k.opened + 1) | confirmedBit
		if len(plain) != 0 {
			k.setRest(len(plain))
			return plain, at + recordHead, nil
		}
		at += end
	}
}

// whole is how long the record at the front of b is, 0 when it has not all arrived.
func (k *Link) whole(b []byte) (int, error) {
	if len(b) < recordHead {
		return 0, nil
	}
	length := int(binary.BigEndian.Uint16(b))
	if length < TagBytes {
		return 0, ErrRecord
	}
	if len(b) < recordHead+length {
		return 0, nil
	}
	if k.opened&openedMask >= RecordsMax {
		return 0, ErrExhausted
	}
	return recordHead + length, nil
}

// open decrypts one whole record in place.
func (k *Link) open(record []byte) ([]byte, error) {
	sealed := record[recordHead:]
	plain, err := openRecord(&k.openKey, k.opened&openedMask, sealed)
	if err != nil {
		return nil, ErrRecord
	}
	return plain[:len(plain):len(plain)], nil
}

// Consume tells that the first n bytes of the last plain were taken. It returns how many bytes behind them are to be dropped with them: the
// record's tag when nothing of it is left, else 0. So the input consumed is at + n + Consume(n). More than there is counts as all.
func (k *Link) Consume(n int) (tag int) {
	rest := k.rest()
	if rest == 0 {
		return 0
	}
	if n < rest {
		k.setRest(rest - max(n, 0))
		return 0
	}
	k.setRest(0)
	return TagBytes
}

// Confirm looks behind left-over plaintext for a first record and checks that it is authentic, without consuming it: it is opened in place,
// sealed again to the same bytes, and opened again in its turn. false with nil: no whole record there. A link that is Confirmed
// says true at once.
// Errors: ErrRecord, ErrExhausted. Allocates nothing.
func (k *Link) Confirm(b []byte) (ok bool, err error) {
	if k.Confirmed() {
		return true, nil
	}
	if n := k.rest(); n != 0 {
		if len(b) < n+TagBytes {
			return false, ErrRecord // the caller has lost bytes
		}
		b = b[n+TagBytes:]
	}
	end, err := k.whole(b)
	if err != nil || end == 0 {
		return false, err
	}
	plain, err := k.open(b[:end])
	if err != nil {
		return false, err
	}
	sealRecord(&k.openKey, k.opened&openedMask, b[:recordHead], plain)
	k.opened |= confirmedBit
	return true, nil
}

// Append adds the link's 80 bytes, to carry it to another loop or process. They hold keys.
func (k *Link) Append(dst []byte) []byte {
	dst = append(dst, k.sealKey[:]...)
	dst = append(dst, k.openKey[:]...)
	dst = binary.BigEndian.AppendUint64(dst, k.sealed)
	return binary.BigEndian.AppendUint64(dst, k.opened)
}

// ParseLink reads what Append wrote. Errors: ErrLink (another length, or a counter that is out of range).
func ParseLink(b []byte) (Link, error) {
	if len(b) != LinkBytes {
		return Link{}, ErrLink
	}
	var k Link
	copy(k.sealKey[:], b)
	copy(k.openKey[:], b[32:])
	k.sealed = binary.BigEndian.Uint64(b[64:])
	k.opened = binary.BigEndian.Uint64(b[72:])
	if k.sealed > RecordsMax || !k.Keyed() && (k.sealed != 0 || k.opened != 0) {
		return Link{}, ErrLink
	}
	return k, nil
}
