package tuning

import (
	"errors"
	"fmt"
	"path"
)

// stage writes new versions of several files beside them, and puts all in their places only when each is on the disk. A disk
// that is full or may not be written is met before anything has changed.
type stage struct {
	disk  Disk
	moves []move
	trash []string // removed by commit, behind the moves
}

type move struct{ from, to string }

// put writes the new version of a file. An old one that a crash left behind is replaced.
func (s *stage) put(name string, f File) error {
	temp := path.Join(path.Dir(name), "."+path.Base(name)+tempSuffix)
	if err := s.disk.Remove(temp); err != nil {
		return fmt.Errorf("write /%s: remove %s: %w", name, path.Base(temp), err)
	}
	s.moves = append(s.moves, move{temp, name})
	if err := s.disk.Create(temp, f); err != nil {
		return fmt.Errorf("write /%s: %w", name, err)
	}
	return nil
}

// drop removes a file when the rest is in its place.
func (s *stage) drop(name string) { s.trash = append(s.trash, name) }

// abandon takes away what put has written.
func (s *stage) abandon() error {
	var errs []error
	for _, m := range s.moves {
		if err := s.disk.Remove(m.from); err != nil {
			errs = append(errs, fmt.Errorf("remove /%s: %w", m.from, err))
		}
	}
	s.moves = nil
	return errors.Join(errs...)
}

// commit puts the files in their places, in the order of put, and calls done for each. At an error it stops: each file is
// the old one or the new one as a whole, and what is not in its place is taken away.
func (s *stage) commit(done func(name string)) error {
	for len(s.moves) > 0 {
		m := s.moves[0]
		if err := s.disk.Rename(m.from, m.to); err != nil {
			return errors.Join(fmt.Errorf("replace /%s: %w", m.to, err), s.abandon())
		}
		s.moves = s.moves[1:]
		done(m.to)
	}
	for _, name := range s.trash {
		if err := s.disk.Remove(name); err != nil {
			return fmt.Errorf("remove /%s: %w", name, err)
		}
		done(name)
	}
	return nil
}
