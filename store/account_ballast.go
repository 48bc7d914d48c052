package store

import (
	"log/slog"
	"math/rand/v2"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ballastFile is room that is given up when the disk is full, so that the change that met it still gets through.
const ballastFile = "ballast"

// ballast turns a full disk from a failed log into a refusal. The engine can't go on after a write to its log has failed; so the
// first such write removes this file and is tried again, and from then on changes are refused until the file fits again.
type ballast struct {
	fs   vfs.FS
	dir  string
	size int // 0: none (memory)
	log  *slog.Logger
	cost string // what its absence means, for the log
	gone atomic.Bool
}

// release is called by the engine's file system, with all its writes waiting.
func (b *ballast) release() {
	if b.size == 0 {
		return
	}
	err := b.fs.Remove(b.fs.PathJoin(b.dir, ballastFile))
	if !b.gone.Swap(true) {
		b.log.Error("the disk is full: "+b.cost, "gaveUpBytes", b.size, "err", err)
	}
}

// ready says whether changes may be made: the ballast is there, or could be put there again. The committer's.
func (b *ballast) ready() bool {
	if b.size == 0 || !b.gone.Load() {
		return true
	}
	b.fill()
	return !b.gone.Load()
}

// fill writes the ballast where it is missing. It is incompressible, since a file system that compresses keeps no room for zeros.
func (b *ballast) fill() {
	path := b.fs.PathJoin(b.dir, ballastFile)
	if b.size == 0 {
		return
	}
	if info, err := b.fs.Stat(path); err == nil && info.Size() == int64(b.size) {
		b.gone.Store(false)
		return
	}
	b.gone.Store(true)
	if usage, err := b.fs.GetDiskUsage(b.dir); err == nil && usage.AvailBytes < 2*uint64(b.size) {
		return
	}
	noise := make([]byte, b.size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	if err := writeWhole(b.fs, b.dir, path, noise); err != nil {
		b.log.Warn("no room for the ballast", "bytes", b.size, "err", err)
		return
	}
	b.gone.Store(false)
}
