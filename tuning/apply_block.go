package tuning

import (
	"bytes"
	"fmt"
	"strings"
)

// The lines between which a file belongs to this program, and the rest of it to whoever keeps the machine.
const (
	BlockBegin = "# BEGIN trunkline"
	BlockEnd   = "# END trunkline"
)

// marked is a file's text, taken apart at its block: before, the block with both of its marker lines, after.
// Without a block, after is empty and before is the whole text.
type marked struct {
	before, block, after []byte
}

// splitBlock finds the block in a file.
// Errors: ErrMarkers when there is not exactly one BEGIN with one END behind it, or none of both.
func splitBlock(text []byte) (marked, error) {
	begin, end, beginLine, endLine := -1, -1, 0, 0
	offset, line := 0, 0
	for rest := text; len(rest) > 0; {
		line++
		n := len(rest)
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			n = i + 1
		}
		switch strings.TrimSpace(string(rest[:n])) {
		case BlockBegin:
			if begin >= 0 {
				return marked{}, fmt.Errorf("%w: %q stands in lines %d and %d", ErrMarkers, BlockBegin, beginLine, line)
			}
			begin, beginLine = offset, line
		case BlockEnd:
			if end >= 0 {
				return marked{}, fmt.Errorf("%w: %q stands in lines %d and %d", ErrMarkers, BlockEnd, endLine, line)
			}
			end, endLine = offset+n, line
		}
		offset, rest = offset+n, rest[n:]
	}
	switch {
	case begin < 0 && end < 0:
		return marked{before: text}, nil
	case end < 0:
		return marked{}, fmt.Errorf("%w: %q in line %d has no %q behind it", ErrMarkers, BlockBegin, beginLine, BlockEnd)
	case begin < 0:
		return marked{}, fmt.Errorf("%w: %q in line %d has no %q before it", ErrMarkers, BlockEnd, endLine, BlockBegin)
	case endLine < beginLine:
		return marked{}, fmt.Errorf("%w: %q in line %d stands before %q in line %d", ErrMarkers, BlockEnd, endLine, BlockBegin, beginLine)
	}
	return marked{before: text[:begin], block: text[begin:end], after: text[end:]}, nil
}

// with is the file's text with another block; an empty one takes the block away. A first block goes to the end of the file, where it wins over lines before it.
// Errors: ErrContinued when the file's last line goes on in the next one, so that a block behind it would become part of it.
func (m marked) with(block []byte) ([]byte, error) {
	before := m.before
	if len(m.block) == 0 && len(block) > 0 && len(before) > 0 {
		last := bytes.TrimRight(before, "\n")
		if bytes.HasSuffix(last, []byte(`\`)) {
			return nil, ErrContinued
		}
		if !bytes.HasSuffix(before, []byte("\n")) {
			before = append(bytes.Clone(before), '\n')
		}
	}
	return bytes.Join([][]byte{before, block, m.after}, nil), nil
}

// outside is the file's text without its block.
func (m marked) outside() []byte { return bytes.Join([][]byte{m.before, m.after}, nil) }
