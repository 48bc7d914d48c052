package shard

// births remembers when devices were first seen: those that began anew lately, in a table of fixed size. One that is not in it was seen longer
// ago, or before this process: a start forgets who is new. Where no guard asks, there is none.
type births struct {
	table guardTable[uint32]
}

func newBirths(cfg *Config) births {
	if cfg.Guard == nil {
		return births{}
	}
	return births{newGuardTable[uint32](cfg.Placement.Seed, guardBirthsMax)}
}

// longAgo is the answer for a device that is not remembered.
const longAgo = 1

// key names a device. Two devices in a billion billions share one.
func (b *births) key(user uint64, device uint8) uint64 {
	return b.table.hash.pair(user, uint64(device)) | 1
}

// enter notes that a device begins.
func (b *births) enter(nowMs int64, user uint64, device uint8) {
	if b.table.len() > 0 {
		sec := uint32(nowMs / 1_000)
		*b.table.enter(b.key(user, device), sec) = sec
	}
}

// seen is when that was, unix seconds.
func (b *births) seen(user uint64, device uint8) uint32 {
	if b.table.len() > 0 {
		if sec := b.table.find(b.key(user, device)); sec != nil {
			return *sec
		}
	}
	return longAgo
}
