package slab

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unsafe"
)

// Handle names a block of an Arena: class (6 bits, from 1), index (26 bits). Zero is none.
type Handle uint32

// Arena gives out blocks of bytes in size classes and counts who holds them.
//
// Classes are 8 bytes apart up to 128, 16 up to 256, then four to each doubling up to 64 KiB, then one of 128 KiB: a
// block is at most 7 bytes, 15, later a quarter larger than asked. Chunks have one size for all classes, so an empty chunk of one class
// serves any other.
//
// A chunk is blocks from the front and one 32-bit word for each block from the back. The word of a live block is its
// count; that of a free block has wordFree set and names the next free block of the chunk, plus one.
type Arena struct {
	limit   int64
	held    int64 // bytes of all chunks, the reserve included
	inUse   int64 // bytes of live blocks
	classes [classCount]class
	reserve [][]byte
}

// class is all blocks of one size.
type class struct {
	size   uint32
	blocks uint32 // in a chunk
	shift  uint32 // block i is number i & (1<<shift-1) of chunk i>>shift
	chunks []arenaChunk
	open   bitset // chunks with memory and a free block
	vacant bitset // chunks without memory
}

type arenaChunk struct {
	mem   []byte
	free  uint32 // first free block plus one
	fresh uint32 // blocks from here on were never given out
	live  uint32
}

const (
	tinyClasses   = tinyBytesMax / 8
	fineClasses   = tinyClasses + (fineBytesMax-tinyBytesMax)/16
	coarseClasses = 8 * 4 // 256 B to 64 KiB is eight doublings
	classCount    = fineClasses + coarseClasses + 1
	wordFree      = 1 << 31
	poison        = 0xDB
)

// NewArena makes an empty arena that holds at most limit bytes; a limit below one chunk gives no block at all.
func NewArena(limit int64) *Arena {
	a := &Arena{limit: limit, reserve: make([][]byte, 0, arenaReserveChunks)}
	for i := range a.classes {
		c := &a.classes[i]
		c.size = classBytes(i)
		c.blocks = arenaChunkBytes / (c.size + 4)
		c.shift = uint32(bits.Len32(c.blocks - 1))
		c.open = newBitset(1 << (indexBits - c.shift))
		c.vacant = newBitset(1 << (indexBits - c.shift))
	}
	return a
}

// Alloc gives out a block for n bytes, 1 to BlockBytesMax, with a count of one. b has length n and the block's whole
// size as capacity; its bytes are whatever they were. With no room within the limit, or an n outside of the range,
// it returns 0 and nil.
func (a *Arena) Alloc(n int) (h Handle, b []byte) {
	if n < 1 || n > BlockBytesMax {
		return 0, nil
	}
	k := classOf(n)
	c := &a.classes[k]
	ci, ok := c.open.first()
	if !ok {
		if ci, ok = a.grow(c); !ok {
			return 0, nil
		}
	}
	ch := &c.chunks[ci]
	off := ch.free
	if off != 0 {
		off--
		ch.free = c.word(ch, off) &^ wordFree
	} else {
		off = ch.fresh
		ch.fresh++
	}
	c.setWord(ch, off, 1)
	ch.live++
	if ch.live == c.blocks {
		c.open.remove(ci)
	}
	a.inUse += int64(c.size)
	b = c.block(ch, off)
	checkPoison(b)
	return Handle(uint32(k+1)<<indexBits | ci<<c.shift | off), b[:n]
}

// Bytes is the first n bytes of a live block, its capacity the whole block. It is valid until the last Free.
func (a *Arena) Bytes(h Handle, n int) []byte {
	c, ci, off := a.find(h)
	return c.block(&c.chunks[ci], off)[:n]
}

// Retain counts one more holder of a live block.
func (a *Arena) Retain(h Handle) {
	c, ci, off := a.find(h)
	ch := &c.chunks[ci]
	w := c.liveWord(ch, off, h)
	if w == wordFree-1 {
		panic("slab: too many holders of one block")
	}
	c.setWord(ch, off, w+1)
}

// Free takes one holder away and with the last of them the block. It panics when the block is not live.
func (a *Arena) Free(h Handle) {
	c, ci, off := a.find(h)
	ch := &c.chunks[ci]
	if w := c.liveWord(ch, off, h); w > 1 {
		c.setWord(ch, off, w-1)
		return
	}
	poisonBlock(c.block(ch, off))
	c.setWord(ch, off, wordFree|ch.free)
	ch.free = off + 1
	a.inUse -= int64(c.size)
	if ch.live == c.blocks {
		c.open.add(ci)
	}
	ch.live--
	if ch.live == 0 {
		a.giveBack(c, ci)
	}
}

// Held is the memory of all chunks, InUse that of live blocks; the difference is room and rounding.
func (a *Arena) Held() int64 { return a.held }

// InUse is the memory of live blocks, each at the size of its class.
func (a *Arena) InUse() int64 { return a.inUse }

// Overhead is the memory of the directories beside Held.
func (a *Arena) Overhead() int64 {
	n := int64(unsafe.Sizeof(*a))
	for i := range a.classes {
		c := &a.classes[i]
		n += int64(cap(c.chunks))*int64(unsafe.Sizeof(arenaChunk{})) + c.open.bytes() + c.vacant.bytes()
	}
	return n
}

// BlockBytes is the size of the block that Alloc(n) gives; 0 when it gives none.
func BlockBytes(n int) int {
	if n < 1 || n > BlockBytesMax {
		return 0
	}
	return int(classBytes(classOf(n)))
}

// grow gives a class one more chunk.
func (a *Arena) grow(c *class) (ci uint32, ok bool) {
	ci, vacant := c.vacant.first()
	if !vacant && uint32(len(c.chunks)) == 1<<(indexBits-c.shift) {
		return 0, false
	}
	var mem []byte
	if n := len(a.reserve); n > 0 {
		mem, a.reserve = a.reserve[n-1], a.reserve[:n-1]
	} else {
		if a.held+arenaChunkBytes > a.limit {
			return 0, false
		}
		mem = make([]byte, arenaChunkBytes)
		poisonBlock(mem)
		a.held += arenaChunkBytes
	}
	if vacant {
		c.vacant.remove(ci)
	} else {
		ci = uint32(len(c.chunks))
		c.chunks = append(c.chunks, arenaChunk{})
	}
	c.chunks[ci] = arenaChunk{mem: mem}
	c.open.add(ci)
	return ci, true
}

// giveBack takes the memory of an empty chunk into the reserve, or lets it go.
func (a *Arena) giveBack(c *class, ci uint32) {
	mem := c.chunks[ci].mem
	c.open.remove(ci)
	c.chunks[ci] = arenaChunk{}
	c.vacant.add(ci)
	if len(a.reserve) < arenaReserveChunks {
		poisonBlock(mem)
		a.reserve = append(a.reserve, mem)
		return
	}
	a.held -= arenaChunkBytes
}

// find takes a handle apart. A handle that names no chunk panics.
func (a *Arena) find(h Handle) (c *class, ci, off uint32) {
	c = &a.classes[h>>indexBits-1]
	i := uint32(h) & (1<<indexBits - 1)
	return c, i >> c.shift, i & (1<<c.shift - 1)
}

func (c *class) block(ch *arenaChunk, off uint32) []byte {
	from := off * c.size
	return ch.mem[from : from+c.size : from+c.size]
}

func (c *class) word(ch *arenaChunk, off uint32) uint32 {
	return binary.NativeEndian.Uint32(ch.mem[arenaChunkBytes-4*(off+1):])
}

func (c *class) setWord(ch *arenaChunk, off uint32, w uint32) {
	binary.NativeEndian.PutUint32(ch.mem[arenaChunkBytes-4*(off+1):], w)
}

// liveWord is the count of a block; it panics when the block is free.
func (c *class) liveWord(ch *arenaChunk, off uint32, h Handle) uint32 {
	if off < ch.fresh {
		if w := c.word(ch, off); w&wordFree == 0 {
			return w
		}
	}
	panic(fmt.Sprintf("slab: block %#x is not live", uint32(h)))
}

// classOf is the class whose blocks take n bytes with the least waste.
func classOf(n int) int {
	if n <= tinyBytesMax {
		return (n - 1) / 8
	}
	if n <= fineBytesMax {
		return tinyClasses + (n-tinyBytesMax-1)/16
	}
	if n > 64<<10 {
		return classCount - 1
	}
	top := bits.Len(uint(n-1)) - 1 // n-1 is within 2^top to 2^(top+1)-1
	quarter := (n - 1) >> (top - 2) & 3
	return fineClasses + (top-8)*4 + quarter
}

// classBytes is the block size of class k.
func classBytes(k int) uint32 {
	if k < tinyClasses {
		return uint32(k+1) * 8
	}
	if k < fineClasses {
		return tinyBytesMax + uint32(k-tinyClasses+1)*16
	}
	if k == classCount-1 {
		return BlockBytesMax
	}
	k -= fineClasses
	return uint32(fineBytesMax) << (k / 4) / 4 * uint32(5+k%4)
}

func poisonBlock(b []byte) {
	if !invariants {
		return
	}
	for i := range b {
		b[i] = poison
	}
}

func checkPoison(b []byte) {
	if !invariants {
		return
	}
	for _, v := range b {
		if v != poison {
			panic("slab: a block was written after it was freed")
		}
	}
}
