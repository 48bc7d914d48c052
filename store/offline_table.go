package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/sstable/colblk"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// tableRow is one version of a key in a table. It is valid until the visit returns.
type tableRow struct {
	key     []byte
	seq     uint64 // of the engine: of two versions the higher one is newer
	deleted bool
	value   []byte
}

// tableSpan is a range of keys that was removed.
type tableSpan struct {
	from, to []byte
	seq      uint64
}

// tableVisit says what to do with what a table holds. Nil: nothing.
type tableVisit struct {
	row  func(r *tableRow)
	span func(s tableSpan)
	// problem gets each place that can't be read, and the first key behind it; nil: it is not known.
	problem func(d *DamageError, next []byte)
}

// tableBlock is a block of a table; behind it stand its kind and its checksum.
type tableBlock struct{ offset, length uint64 }

const (
	tableTrailerBytes = 1 + 4
	// tableBlockMax bounds a block that is looked for without an index: an entry of the largest size fits.
	tableBlockMax = 2 * (offlineEntryValueBytes + PayloadBytesMax)
)

// readTable reads one table file by itself, block by block, and goes on behind a block that is damaged. A table without an index that can be read is
// searched for blocks. An error is the system's.
func readTable(fs vfs.FS, path string, v tableVisit) error {
	whole, err := readFile(fs, path)
	if err != nil {
		return err
	}
	blocks, err := tableIndex(fs, path, &v)
	if errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err != nil {
		d := explainDamage(path, "", err)
		d.Path = path
		v.problem(d, nil)
		blocks = findBlocks(whole)
	}
	var bad *DamageError
	for _, b := range blocks {
		rows, err := blockRows(whole, b)
		if err != nil {
			if bad != nil {
				v.problem(bad, nil)
			}
			bad = &DamageError{Path: path, Offset: int64(b.offset), Why: err.Error(), Err: ErrOfflineDamaged}
			continue
		}
		for i := range rows {
			if bad != nil {
				v.problem(bad, rows[i].key)
				bad = nil
			}
			if v.row != nil {
				v.row(&rows[i])
			}
		}
	}
	if bad != nil {
		v.problem(bad, nil)
	}
	return nil
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// tableIndex reads where a table's blocks are, and which ranges it removes. An error is damage of what is not data.
func tableIndex(fs vfs.FS, path string, v *tableVisit) (blocks []tableBlock, err error) {
	defer func() { // the engine takes checked bytes for what they should be
		if p := recover(); p != nil {
			err = fmt.Errorf("the table's index: %v", p)
		}
	}()
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	schema := colblk.DefaultKeySchema(offlineOrder(), tableBundle)
	r, err := sstable.NewReader(context.Background(), readable, sstable.ReaderOptions{Comparer: offlineOrder(), KeySchemas: sstable.MakeKeySchemas(&schema)})
	if err != nil {
		return nil, errors.Join(err, readable.Close())
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	layout, err := r.Layout()
	if err != nil {
		return nil, err
	}
	for _, b := range layout.Data {
		blocks = append(blocks, tableBlock{b.Offset, b.Length})
	}
	if v.span == nil {
		return blocks, nil
	}
	return blocks, tableSpans(r, v.span)
}

func tableSpans(r *sstable.Reader, visit func(s tableSpan)) error {
	it, err := r.NewRawRangeDelIter(context.Background(), sstable.NoFragmentTransforms, sstable.NoReadEnv)
	if err != nil || it == nil {
		return err
	}
	defer it.Close()
	s, err := it.First()
	for ; s != nil && err == nil; s, err = it.Next() {
		newest := uint64(0)
		for _, k := range s.Keys {
			newest = max(newest, uint64(k.SeqNum()))
		}
		visit(tableSpan{from: append([]byte(nil), s.Start...), to: append([]byte(nil), s.End...), seq: newest})
	}
	return err
}

// tableBundle is how many keys share a prefix column's bundle: the engine's default, which is in the name of the schema that each table keeps.
const tableBundle = 16

// blockRows checks a block and reads its rows.
func blockRows(whole []byte, b tableBlock) (rows []tableRow, err error) {
	end := b.offset + b.length
	if end < b.offset || end+tableTrailerBytes > uint64(len(whole)) {
		return nil, errors.New("a block beyond the end of the file")
	}
	if got, want := blockSum(whole[b.offset:end+1]), binary.LittleEndian.Uint32(whole[end+1:]); got != want {
		return nil, fmt.Errorf("a block with checksum %08x, it should be %08x", got, want)
	}
	if kind := whole[end]; kind != 0 {
		return nil, fmt.Errorf("a block of kind %d", kind)
	}
	return decodeRows(append([]byte(nil), whole[b.offset:end]...))
}

// decodeRows reads the rows of a data block whose checksum is right.
func decodeRows(b []byte) (rows []tableRow, err error) {
	defer func() {
		if p := recover(); p != nil {
			rows, err = nil, fmt.Errorf("not a block of rows: %v", p)
		}
	}()
	order := offlineOrder()
	schema := colblk.DefaultKeySchema(order, tableBundle)
	var decoder colblk.DataBlockDecoder
	decoder.Init(&schema, b)
	var it colblk.DataBlockIter
	it.InitOnce(&schema, order, nil)
	if err := it.Init(&decoder, block.IterTransforms{}); err != nil {
		return nil, err
	}
	for kv := it.First(); kv != nil; kv = it.Next() {
		r := tableRow{key: append([]byte(nil), kv.K.UserKey...), seq: uint64(kv.K.SeqNum())}
		switch kv.K.Kind() {
		case pebble.InternalKeyKindSet:
			r.value = append([]byte(nil), kv.InPlaceValue()...)
		case pebble.InternalKeyKindSetWithDelete:
			r.value = append([]byte(nil), kv.InPlaceValue()...)
		default:
			r.deleted = true
		}
		rows = append(rows, r)
	}
	return rows, it.Error()
}

// blockSum is the checksum of a block and its kind: the CRC-32C, turned as the engine does.
func blockSum(b []byte) uint32 { return turnSum(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))) }

func turnSum(c uint32) uint32 { return (c>>15 | c<<17) + 0xa282ead8 }

// findBlocks looks for blocks where no index says where they are: bytes whose checksum stands behind them.
func findBlocks(whole []byte) (blocks []tableBlock) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	for start := 0; start+tableTrailerBytes < len(whole); {
		sum, found := ^uint32(0), 0
		for end := start; end+tableTrailerBytes <= len(whole) && end-start < tableBlockMax; end++ {
			sum = castagnoli[byte(sum)^whole[end]] ^ sum>>8 // of the block and the byte of its kind
			if end > start && whole[end] == 0 && turnSum(^sum) == binary.LittleEndian.Uint32(whole[end+1:]) {
				found = end - start
				break
			}
		}
		if found == 0 {
			start++
			continue
		}
		if rows, err := blockRows(whole, tableBlock{uint64(start), uint64(found)}); err == nil && rowsOfOurs(rows) {
			blocks = append(blocks, tableBlock{uint64(start), uint64(found)})
		}
		start += found + tableTrailerBytes
	}
	return blocks
}

// rowsOfOurs says whether all rows have keys of ours: blocks of an index have the same form.
func rowsOfOurs(rows []tableRow) bool {
	for i := range rows {
		if _, _, ok := parseOfflineKey(rows[i].key); !ok && (len(rows[i].key) != 2 || rows[i].key[0] != prefixOfflineMeta) {
			return false
		}
		if i > 0 && string(rows[i-1].key) > string(rows[i].key) {
			return false
		}
	}
	return len(rows) > 0
}
