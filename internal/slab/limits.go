package slab

const (
	// chunkBytesMax bounds one chunk of a Slab or Table: large enough that a million slots are a few hundred objects for
	// the collector, small enough that one survivor pins little. A larger type has chunks of one slot. With 96 KiB the records of a
	// connection (64, 72, 80 and 128 bytes) have chunks of 1,024 or 512 slots that fill whole pages of 8 KiB; with 64 KiB a record of 72
	// bytes would cost 80.
	chunkBytesMax = 96 << 10
	// chunkSlotsMax bounds the slots of a chunk of tiny types, and with it the bits touched when a chunk comes or goes.
	chunkSlotsMax = 4096
	// SlotsMax bounds the limit of a Slab and of a Table: an index has 32 bits and 0 is never one. New panics above it.
	SlotsMax = 1<<32 - 2

	// arenaChunkBytes is one chunk of an Arena: one block of the largest class, or two of 64 KiB, and the blocks' words.
	arenaChunkBytes = 136 << 10
	// arenaReserveChunks is how many empty chunks an Arena keeps for any class. More are given back.
	arenaReserveChunks = 4
	// BlockBytesMax is the largest block an Arena gives out. Over it Alloc gives none.
	BlockBytesMax = 128 << 10
	// tinyBytesMax and fineBytesMax: up to the first classes are 8 bytes apart, up to the second 16, because most blocks are
	// that small and there are millions; above there are four classes to each doubling.
	tinyBytesMax = 128
	fineBytesMax = 256
	// indexBits is the part of a Handle that is not the class. A class whose indexes are used up gives no more blocks.
	indexBits = 26
)
