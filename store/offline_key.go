package store

import (
	"bytes"
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
)

// Keys of the offline store, numbers big-endian. The order of keys is the order of bytes: all heads by fragment and user, then the same
// with entries, so that a fragment, a user and a mailbox are one range each.
const (
	prefixOfflineEntry = 'e' // fragment u16, user u64, device u8, seq u64
	prefixOfflineHead  = 'h' // fragment u16, user u64, device u8
	prefixOfflineMeta  = 'm' // one of the two names below
	// prefixOfflinePending has a key for each user whose head of DevicePending counts something, and for no other: who has to be told at a start.
	prefixOfflinePending = 'p' // fragment u16, user u64

	metaOfflineFlushes = 'f' // how often something was flushed, u64
	metaOfflineVersion = 'v' // offlineVersion, u16

	offlineVersion = 1

	offlineUserBytes    = 1 + 2 + 8            // the part of a head's key that its user's devices share
	offlineMailboxBytes = offlineUserBytes + 1 // a head's key; the part of an entry's key that its mailbox shares
	offlineEntryBytes   = offlineMailboxBytes + 8

	// The first byte of a value is its version.
	offlineHeadVersion     = 1
	offlineEntryVersion    = 1
	offlinePendingVersion  = 1
	countsBytes            = 3*4 + 8
	offlineHeadValueBytes  = 1 + headFieldBytes + countsBytes
	offlineEntryValueBytes = 1 + entryFieldBytes - 8 // and the payload; seq is in the key
)

// offlineOrder is the order of bytes; filters hold users of heads and mailboxes of entries, so that one look-up tells of a user that nothing is there.
// Its name is kept in each table: the split of keys never changes under it.
func offlineOrder() *pebble.Comparer {
	order := *pebble.DefaultComparer
	order.Name = "trunkline.mailboxes.1"
	order.Split = func(key []byte) int {
		switch {
		case len(key) >= offlineUserBytes && key[0] == prefixOfflineHead:
			return offlineUserBytes
		case len(key) >= offlineMailboxBytes && key[0] == prefixOfflineEntry:
			return offlineMailboxBytes
		}
		return len(key)
	}
	return &order
}

// mailboxKey adds the key of a head, or with prefixOfflineEntry what the keys of a mailbox's entries begin with.
func mailboxKey(dst []byte, prefix byte, fragment uint16, user uint64, device uint8) []byte {
	dst = append(dst, prefix)
	dst = binary.BigEndian.AppendUint16(dst, fragment)
	dst = binary.BigEndian.AppendUint64(dst, user)
	return append(dst, device)
}

// entryKey adds the key of an entry.
func entryKey(dst []byte, fragment uint16, k Key) []byte {
	dst = mailboxKey(dst, prefixOfflineEntry, fragment, k.User, k.Device)
	return binary.BigEndian.AppendUint64(dst, k.Seq)
}

// pendingKey adds the key of a user in the index.
func pendingKey(dst []byte, fragment uint16, user uint64) []byte {
	return mailboxKey(dst, prefixOfflinePending, fragment, user, 0)[:len(dst)+offlineUserBytes]
}

// parseOfflineKey reads the key of a head (seq 0), an entry, or of the index (DevicePending, seq 0).
func parseOfflineKey(b []byte) (k Key, fragment uint16, ok bool) {
	if len(b) < offlineUserBytes {
		return k, 0, false
	}
	fragment = binary.BigEndian.Uint16(b[1:])
	k.User = binary.BigEndian.Uint64(b[3:])
	if len(b) == offlineUserBytes {
		k.Device = DevicePending
		return k, fragment, b[0] == prefixOfflinePending && k.User <= UserMax
	}
	k.Device = b[11]
	switch {
	case k.User > UserMax:
	case b[0] == prefixOfflineHead:
		ok = len(b) == offlineMailboxBytes
	case b[0] == prefixOfflineEntry && len(b) == offlineEntryBytes:
		k.Seq, ok = binary.BigEndian.Uint64(b[12:]), true
	}
	return k, fragment, ok
}

// keyAfter is the smallest key above all that begin with b. b is not all 0xff.
func keyAfter(b []byte) []byte {
	end := bytes.Clone(b)
	for i := len(end) - 1; ; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
}

// appendHeadValue adds the value of a head: what a record of it has, and the counts.
func appendHeadValue(dst []byte, h *Head) []byte {
	dst = appendHeadFields(append(dst, offlineHeadVersion), h)
	dst = binary.BigEndian.AppendUint32(dst, h.Messages)
	dst = binary.BigEndian.AppendUint32(dst, h.Notices)
	dst = binary.BigEndian.AppendUint32(dst, h.Rejections)
	return binary.BigEndian.AppendUint64(dst, h.Bytes)
}

func parseHeadValue(h *Head, b []byte) bool {
	if len(b) != offlineHeadValueBytes || b[0] != offlineHeadVersion {
		return false
	}
	parseHeadFields(h, b[1:])
	b = b[1+headFieldBytes:]
	h.Messages, h.Notices = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	h.Rejections, h.Bytes = binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint64(b[12:])
	return true
}

// appendEntryValue adds the value of an entry.
func appendEntryValue(dst []byte, e *Entry, payload []byte) []byte {
	return append(appendEntryFields(append(dst, offlineEntryVersion), e), payload...)
}

// parseEntryValue gives the payload, which aliases b; nil when there is none.
func parseEntryValue(e *Entry, b []byte) (payload []byte, ok bool) {
	if len(b) < offlineEntryValueBytes || len(b) > offlineEntryValueBytes+PayloadBytesMax || b[0] != offlineEntryVersion {
		return nil, false
	}
	parseEntryFields(e, b[1:])
	if len(b) == offlineEntryValueBytes {
		return nil, true
	}
	return b[offlineEntryValueBytes:], true
}
