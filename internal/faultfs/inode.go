package faultfs

import (
	"io"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Sizes of what is kept of a file.
const (
	sectorBytes = 512
	pageSectors = 8
	pageBytes   = sectorBytes * pageSectors
)

// inode is a file, under whichever names.
type inode struct {
	fs     *FS
	number int // in the order in which they were met: a power cut goes through them in it

	// Guarded by FS.mu.
	names  []string // on the platter; empty: it is there no more, or only behind handles
	refs   int      // open handles
	staged int      // changes of names that wait and mean this file

	mu    sync.Mutex // guards what follows; FS.mu may be held, not taken
	r, w  vfs.File   // on the platter; w is nil until somebody writes
	pages map[int64]*page
	size  int64 // as readers see it
}

// page is a piece of a file of which the platter does not hold everything.
type page struct {
	data  [pageBytes]byte
	dirty uint8 // sectors that wait for a sync
	lost  uint8 // sectors that a failed sync has lost: they can be read, that is all
}

func newInode(f *FS, number int, r, w vfs.File, name string) (*inode, error) {
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	return &inode{fs: f, number: number, names: []string{name}, r: r, w: w, pages: map[int64]*page{}, size: info.Size()}, nil
}

// readAt reads what readers see.
func (n *inode) readAt(p []byte, off int64) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if off >= n.size {
		return 0, io.EOF
	}
	whole := len(p)
	p = p[:min(int64(len(p)), n.size-off)]
	for done := 0; done < len(p); {
		at := off + int64(done)
		no, within := at/pageBytes, int(at%pageBytes)
		piece := p[done:min(len(p), done+pageBytes-within)]
		if pg := n.pages[no]; pg != nil {
			copy(piece, pg.data[within:])
		} else if err := n.readPlatter(piece, at); err != nil {
			return done, err
		}
		done += len(piece)
	}
	if len(p) < whole {
		return len(p), io.EOF
	}
	return len(p), nil
}

// readPlatter reads from below; behind its end lie zeros.
func (n *inode) readPlatter(p []byte, off int64) error {
	got, err := n.r.ReadAt(p, off)
	if err != nil && err != io.EOF {
		return err
	}
	clear(p[got:])
	return nil
}

// writeAt changes what readers see.
func (n *inode) writeAt(p []byte, off int64) (grown int64, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for done := 0; done < len(p); {
		at := off + int64(done)
		no, within := at/pageBytes, int(at%pageBytes)
		pg := n.pages[no]
		if pg == nil {
			pg = &page{}
			if err := n.readPlatter(pg.data[:], no*pageBytes); err != nil {
				return 0, err
			}
			n.pages[no] = pg
		}
		k := copy(pg.data[within:], p[done:])
		for s := within / sectorBytes; s <= (within+k-1)/sectorBytes; s++ {
			pg.dirty |= 1 << s
			pg.lost &^= 1 << s
		}
		done += k
	}
	grown = max(0, off+int64(len(p))-n.size)
	n.size += grown
	return grown, nil
}

// sync brings the sectors below upTo to the platter.
func (n *inode) sync(upTo int64) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, no := range n.order() {
		if no*pageBytes < upTo {
			if err := n.flush(no, n.pages[no].dirty); err != nil {
				return err
			}
		}
	}
	return nil
}

// order is the pages' numbers from the beginning of the file.
func (n *inode) order() []int64 {
	list := make([]int64, 0, len(n.pages))
	for no := range n.pages {
		list = append(list, no)
	}
	slices.Sort(list)
	return list
}

// flush writes those sectors of a page, and forgets the page when the platter has all of it.
func (n *inode) flush(no int64, sectors uint8) error {
	pg := n.pages[no]
	for left := sectors; left != 0; {
		first := bits.TrailingZeros8(left)
		run := bits.TrailingZeros8(^(left >> first))
		from := no*pageBytes + int64(first*sectorBytes)
		to := min(from+int64(run*sectorBytes), n.size)
		if _, err := n.w.WriteAt(pg.data[first*sectorBytes:][:to-from], from); err != nil {
			return err
		}
		left &^= byte((1<<run - 1) << first)
	}
	pg.dirty &^= sectors
	if pg.dirty|pg.lost == 0 {
		delete(n.pages, no)
	}
	return nil
}

// failSync is what a sync that fails leaves: some sectors are written, the others never will be.
func (n *inode) failSync(rng *rand.Rand) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, no := range n.order() {
		pg := n.pages[no]
		left := pg.dirty & uint8(rng.Uint32())
		pg.lost |= pg.dirty &^ left
		if n.flush(no, left) == nil {
			pg.dirty = 0
		}
	}
}

// tear is what a power cut leaves of the sectors that wait: none of them, those at the front, any of them, or all.
func (n *inode) tear(rng *rand.Rand) {
	n.mu.Lock()
	defer n.mu.Unlock()
	mode, stop := rng.IntN(4), rng.IntN(1+pageSectors*len(n.pages))
	for i, no := range n.order() {
		mask := uint8(0)
		for s := range pageSectors {
			if mode == 3 || mode == 2 && rng.IntN(2) == 0 || mode == 1 && i*pageSectors+s < stop {
				mask |= 1 << s
			}
		}
		_ = n.flush(no, n.pages[no].dirty&mask) // what can't be written is lost, as the rest
	}
}

// settled says whether nothing of it is kept here.
func (n *inode) settled() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.pages) == 0
}

func (n *inode) length() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.size
}

// drop closes what is open below. It was only read, or synced, or removed.
func (n *inode) drop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.w != nil && n.w != n.r {
		_ = n.w.Close() // nothing hangs on it
	}
	if n.r != nil {
		_ = n.r.Close()
	}
	n.r, n.w = nil, nil
}
