package store

import "time"

// Limits of an Offline.
const (
	// offlineCacheBytes is the engine's cache of blocks: filters of ten million mailboxes are 12 MB, and a mailbox is read once when its
	// user comes back. What is not in it is read from the disk.
	offlineCacheBytes = 24 << 20
	// offlineMemTableBytes is the size at which the engine writes a table by itself, and offlineMemTables how many such pieces it holds in memory
	// while the disk refuses them. With all of them full Apply fails until one was written.
	offlineMemTableBytes = 8 << 20
	offlineMemTables     = 16
	// offlineFilesMax bounds the engine's open files. A read that finds them all in use opens one more for itself.
	offlineFilesMax = 128
	// offlineTableBytes is the size of a table in the first level that is sorted; each level below has twice of that.
	offlineTableBytes = 8 << 20
	// offlineFilterBits is what the filters take for each mailbox: one look-up in a hundred reads the disk for nothing.
	offlineFilterBits = 10
	// offlineL0Tables is how many tables may wait to be sorted. It is never reached: a disk that can't sort must not stop what is written.
	offlineL0Tables = 1 << 20
	// offlineDropKeysMax is how many entries of one mailbox are removed one by one; a drop of more is removed as a range. Measured with 20,000 drops of one
	// entry (BenchmarkOfflineDrops): as ranges, which the engine sorts anew for the first read after each write, that read takes 7 ms, and 0.02 ms
	// as keys. With 1,000 entries a drop takes 0.1 ms as a range and 6 ms as keys, which later reads have to pass.
	offlineDropKeysMax = 32
	// offlineBallastBytes is the room that a full disk finds given up: what the engine writes beside a table, several times.
	offlineBallastBytes = 8 << 20
	// offlineRest is how long the engine waits before it writes another table after one has failed; it doubles up to offlineRestMax.
	offlineRest    = 20 * time.Millisecond
	offlineRestMax = 2 * time.Second
	// offlineReopen is how long an engine that gave up is left alone before another one is opened; it doubles up to offlineReopenMax.
	offlineReopen    = 50 * time.Millisecond
	offlineReopenMax = 30 * time.Second
	// offlineNoteBytesMax bounds the file MAILBOXES. A longer one is damaged.
	offlineNoteBytesMax = 4096
	// ReplicaBatchBytes is the size at which WriteTo ends a batch; a mailbox is never split.
	ReplicaBatchBytes = 1 << 20
	// TellAgainMax bounds the second ticks that are told again to one mailbox, 100 bytes each. Beyond it nothing is told:
	// those messages keep their first tick.
	TellAgainMax = 4096
	// salvageSpansMax bounds the removed ranges that a salvage remembers, 40 bytes each. Beyond it the others are not obeyed: the
	// heads still say what was acknowledged.
	salvageSpansMax = 1 << 20
	// fencedPause is how long each operation of an engine that was given up takes to be refused: what is left of it costs next to nothing.
	fencedPause = time.Second
)
