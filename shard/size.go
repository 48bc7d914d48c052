package shard

import (
	"unsafe"

	"trunkline/internal/slab"
)

// Size is what one record of a shard takes.
type Size struct {
	Name   string
	Record int     // the record itself
	Each   float64 // with its part of what finds it
}

// Sizes are the records of an idle session and of the mailbox behind it: session, mailbox, ledger. A mailbox has a ledger only while it differs
// from what the disk has.
func Sizes() (sessionRecord, mailboxRecord, ledgerRecord Size) {
	return Size{"session", int(unsafe.Sizeof(session{})), slab.EntryBytes[session]()},
		Size{"mailbox", int(unsafe.Sizeof(mailbox{})), slab.SlotBytes[mailbox]()},
		Size{"ledger", int(unsafe.Sizeof(ledger{})), slab.SlotBytes[ledger]()}
}

// IndexBytes is what the table by user takes for that many users of one loop, whose hashes spread them evenly.
func IndexBytes(users int) int64 {
	each := (users + indexSegments - 1) / indexSegments
	cells := indexCellsMin
	for each*20 > cells*17 {
		cells += cells / 2
	}
	return int64(cells) * indexSegments * int64(unsafe.Sizeof(indexCell{}))
}
