// Package slab holds very many small things that the garbage collector need not look at.
//
// It owns three shapes of memory: Slab (slots of one type, named by a dense index), Table (the same, indexed by
// somebody else's slots) and Arena (blocks of bytes in size classes, counted). It refuses types with pointers, so that
// a collection costs the same with two million slots as with none, and it knows nothing of what it holds.
//
// All three grow by chunks and give a chunk back when it is empty, so that memory returns after a storm; each keeps a
// little in reserve, so that going up and down at the edge of a chunk allocates nothing. Free slots are handed out lowest
// first, which lets the upper chunks drain. Every call is O(1) in the number of slots. None is safe for use by
// several goroutines: each loop has its own.
//
// A slot costs the size of its type and one bit; a block the size of its class and four bytes.
//
// With the build tag `invariants` freed blocks are filled with 0xDB and checked when they are given out again.
//
// Source: the slab allocator (Bonwick, 1994).
package slab
