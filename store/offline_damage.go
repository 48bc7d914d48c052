package store

import (
	"errors"
	"os"
	"regexp"
	"strconv"

	"github.com/cockroachdb/pebble/v2"
)

// blockText is how the engine names a block, and tableText how it names a table, in errors that have no type for it.
var (
	blockText = regexp.MustCompile(`block (\d+)/\d+`)
	tableText = regexp.MustCompile(`\b(\d{6,})(\.sst)?\b`)
)

// explainDamage makes an error of the engine that means damage one that names the place; of says what was read.
func explainDamage(dir, of string, err error) *DamageError {
	d := &DamageError{Path: dir, Offset: -1, Why: err.Error(), Err: ErrOfflineDamaged}
	if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
		d.Path = info.Path
	} else if m := tableText.FindStringSubmatch(d.Why); m != nil && pebble.IsCorruptionError(err) {
		d.Path = dir + string(os.PathSeparator) + m[1] + tableSuffix
	}
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		d.Path = pathErr.Path
	}
	if m := blockText.FindStringSubmatch(d.Why); m != nil {
		if n, err := strconv.ParseInt(m[1], 10, 64); err == nil {
			d.Offset = n
		}
	}
	if of != "" {
		d.Why = of + ": " + d.Why
	}
	return d
}

// isDamage says whether an error of a read means that what is there is not what was written: a checksum that is wrong, or a file
// that is gone.
func isDamage(err error) bool {
	return pebble.IsCorruptionError(err) || errors.Is(err, os.ErrNotExist)
}
