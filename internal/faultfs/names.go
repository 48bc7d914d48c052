package faultfs

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// hiddenPrefix is how the names begin under which new files lie on the platter until their directory is synced.
const hiddenPrefix = ".faultfs-"

// changeKind says what becomes of a name.
type changeKind uint8

const (
	place  changeKind = iota // the file gets its first name
	rename                   // to takes the place of from
	remove                   // from goes
	link                     // to is one more
)

// change of names that waits for its directory's sync. They are done in their order; from and to may be in two directories.
type change struct {
	kind     changeKind
	ino      *inode
	victim   *inode // whose name is taken over; nil: nobody's
	from, to string
}

func (c *change) in(dir string) bool {
	return c.from != "" && filepath.Dir(c.from) == dir || c.to != "" && filepath.Dir(c.to) == dir
}

// stage notes a change and lets readers see it. FS.mu is held.
func (f *FS) stage(c *change) {
	if c.from != "" {
		delete(f.names, c.from)
		f.gone[c.from] = true
	}
	if c.to != "" {
		f.names[c.to] = c.ino
	}
	c.ino.staged++
	if c.victim != nil {
		c.victim.staged++
	}
	f.staged = append(f.staged, c)
}

// commit does the changes that are wanted of those that wait. FS.mu is held.
func (f *FS) commit(wanted func(c *change) bool) error {
	var failed error
	for i := 0; i < len(f.staged) && failed == nil; i++ {
		c := f.staged[i]
		if c == nil || !wanted(c) {
			continue
		}
		if failed = f.apply(c); failed == nil {
			f.forgetOlder(i, c.ino)
			f.staged[i] = nil
		}
	}
	f.staged = slices.DeleteFunc(f.staged, func(c *change) bool { return c == nil })
	for name := range f.gone {
		if !slices.ContainsFunc(f.staged, func(c *change) bool { return c.from == name || c.to == name }) {
			delete(f.gone, name)
		}
	}
	f.sweep()
	return failed
}

// forgetOlder drops what waits in other directories for a file that is now where a later change wants it.
func (f *FS) forgetOlder(i int, ino *inode) {
	f.unstage(f.staged[i])
	for j, c := range f.staged[:i] {
		if c != nil && c.ino == ino && c.kind != link {
			f.unstage(c)
			f.staged[j] = nil
		}
	}
}

func (f *FS) unstage(c *change) {
	for _, n := range []*inode{c.ino, c.victim} {
		if n != nil {
			n.staged--
			f.release(n)
		}
	}
}

// apply brings a change to the platter.
func (f *FS) apply(c *change) error {
	from := c.from
	if !slices.Contains(c.ino.names, from) && len(c.ino.names) > 0 {
		from = c.ino.names[0] // its directory was not synced: it still has the name from before
	}
	switch {
	case len(c.ino.names) == 0:
		return nil
	case c.kind == link:
		if err := f.inner.Link(c.ino.names[0], c.to); err != nil {
			return err
		}
		c.ino.names = append(c.ino.names, c.to)
		return nil
	case c.kind == remove && len(c.ino.names) == 1 && c.ino.staged > 1:
		hidden := f.hiddenName(from) // another name of it waits, in another directory
		if err := f.inner.Rename(from, hidden); err != nil {
			return err
		}
		c.ino.names = append(c.ino.names, hidden)
	case c.kind == remove:
		if err := f.inner.Remove(from); err != nil {
			return err
		}
	default:
		if err := f.inner.Rename(from, c.to); err != nil {
			return err
		}
		c.ino.names = append(c.ino.names, c.to)
	}
	c.ino.dropName(from)
	if c.victim != nil {
		c.victim.dropName(c.to)
	}
	return nil
}

func (n *inode) dropName(name string) {
	n.names = slices.DeleteFunc(n.names, func(s string) bool { return s == name })
}

// lookup finds the file that readers see under a name. FS.mu is held.
func (f *FS) lookup(name string) (*inode, error) {
	if n := f.names[name]; n != nil {
		return n, nil
	}
	if f.gone[name] {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	info, err := f.inner.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errDirectory
	}
	r, err := f.inner.Open(name)
	if err != nil {
		return nil, err
	}
	f.numbers++
	n, err := newInode(f, f.numbers, r, nil, name)
	if err != nil {
		_ = r.Close() // the first error says more
		return nil, err
	}
	f.names[name] = n
	return n, nil
}

// sweep forgets files of which the platter has everything and that nobody has open. FS.mu is held.
func (f *FS) sweep() {
	for name, n := range f.names {
		if n.refs == 0 && n.staged == 0 && len(n.names) < 2 && n.settled() { // of links only the inode knows that they are one file
			delete(f.names, name)
			f.release(n)
		}
	}
}

// release closes what lies below a file when no name, handle or change leads to it any more. FS.mu is held.
func (f *FS) release(n *inode) {
	if n.refs > 0 || n.staged > 0 {
		return
	}
	for _, other := range f.names {
		if other == n {
			return
		}
	}
	n.drop()
}

// list is the names that readers see in a directory. FS.mu is held.
func (f *FS) list(dir string) ([]string, error) {
	below, err := f.inner.List(dir)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, name := range below {
		path := filepath.Join(dir, name)
		if !strings.HasPrefix(name, hiddenPrefix) && (!f.gone[path] || f.names[path] != nil) {
			seen[name] = true
		}
	}
	for path := range f.names {
		if filepath.Dir(path) == dir {
			seen[filepath.Base(path)] = true
		}
	}
	all := make([]string, 0, len(seen))
	for name := range seen {
		all = append(all, name)
	}
	slices.Sort(all)
	return all, nil
}
