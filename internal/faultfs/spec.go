package faultfs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrSpec: a word of a Spec can't be read.
var ErrSpec = errors.New("faultfs: bad spec")

// Op is a kind of operation, as a bit.
type Op uint16

// The operations that rules name.
const (
	OpRead Op = 1 << iota
	OpWrite
	OpSync
	OpSyncDir
	OpCreate
	OpOpenWrite // open what is there for writing
	OpRename
	OpRemove
	OpLink
	OpMkdir
	opEnd

	// OpChange is every operation that a read-only disk refuses.
	OpChange = opEnd - 1 - OpRead
)

// opNames and errnoNames are never written to.
var opNames = map[string]Op{
	"read": OpRead, "write": OpWrite, "sync": OpSync, "syncdir": OpSyncDir, "create": OpCreate, "openwrite": OpOpenWrite, "rename": OpRename,
	"remove": OpRemove, "link": OpLink, "mkdir": OpMkdir, "change": OpChange,
}

var errnoNames = map[string]syscall.Errno{"eio": syscall.EIO, "enospc": syscall.ENOSPC, "erofs": syscall.EROFS, "edquot": syscall.EDQUOT}

// Spec says which faults there are.
type Spec struct {
	Seed    uint64
	Limit   int64 // bytes that the disk holds; 0: no limit
	Lie     Op    // OpSync, OpSyncDir: they return before anything is done
	LiePath string
	CutAt   int // the power is cut at this change from now on, counted from 1; 0: it is not
	CutPath string
	Rules   []Rule
}

// Rule is one fault that operations may meet.
type Rule struct {
	Ops         Op
	Path        string // part of the path; "": all
	Probability float64
	Errno       syscall.Errno // 0: none
	Stall       time.Duration
	Hang        bool // until the spec changes
}

// ParseSpec reads words separated by spaces. OPS are names joined by +: read, write, sync, syncdir, create, openwrite, rename, remove, link, mkdir, or
// change for all but read. ERRNO is eio, enospc, erofs or edquot; P a probability, 1 without one; PATH a part of the path, all without one.
//
//	seed=N
//	limit=BYTES                 the disk is full at that many
//	fail=OPS:ERRNO[:P][@PATH]
//	stall=OPS:DURATION[:P][@PATH]
//	hang=OPS[@PATH]             until the spec changes
//	cut=N[@PATH]                the power is cut at the Nth change from now
//	lie=OPS[@PATH]              those of sync and syncdir return before anything is done
//
// Errors: ErrSpec.
func ParseSpec(text string) (Spec, error) {
	var s Spec
	for _, word := range strings.Fields(text) {
		if err := s.parseWord(word); err != nil {
			return Spec{}, fmt.Errorf("%w: %q: %w", ErrSpec, word, err)
		}
	}
	return s, nil
}

func (s *Spec) parseWord(word string) (err error) {
	key, value, _ := strings.Cut(word, "=")
	value, path, _ := strings.Cut(value, "@")
	switch key {
	case "seed":
		s.Seed, err = strconv.ParseUint(value, 10, 64)
	case "limit":
		s.Limit, err = strconv.ParseInt(value, 10, 64)
	case "lie":
		s.LiePath = path
		s.Lie, err = parseOps(value)
	case "cut":
		s.CutPath = path
		s.CutAt, err = strconv.Atoi(value)
	case "fail", "stall", "hang":
		var r Rule
		r, err = parseRule(key, value)
		r.Path = path
		s.Rules = append(s.Rules, r)
	default:
		err = errors.New("no such word")
	}
	return err
}

func parseRule(key, value string) (r Rule, err error) {
	r.Probability = 1
	parts := strings.Split(value, ":")
	if r.Ops, err = parseOps(parts[0]); err != nil {
		return r, err
	}
	parts = parts[1:]
	switch {
	case key == "hang":
		r.Hang = true
	case len(parts) == 0:
		return r, errors.New("what shall happen?")
	case key == "stall":
		if r.Stall, err = time.ParseDuration(parts[0]); err != nil {
			return r, err
		}
		parts = parts[1:]
	default:
		ok := false
		if r.Errno, ok = errnoNames[parts[0]]; !ok {
			return r, fmt.Errorf("no errno %q", parts[0])
		}
		parts = parts[1:]
	}
	switch len(parts) {
	case 0:
	case 1:
		r.Probability, err = strconv.ParseFloat(parts[0], 64)
	default:
		err = errors.New("too many parts")
	}
	return r, err
}

func parseOps(text string) (ops Op, err error) {
	for _, name := range strings.Split(text, "+") {
		op, ok := opNames[name]
		if !ok {
			return 0, fmt.Errorf("no operation %q", name)
		}
		ops |= op
	}
	return ops, nil
}
