package server

import "strings"

// Paths is a list of directories. In the configuration file it is an array, or one string for a list of one; as a flag it is given
// several times.
type Paths []string

// UnmarshalText takes one path; an empty text is an empty list. In the file an array is read without it.
func (p *Paths) UnmarshalText(b []byte) error {
	if *p = nil; len(b) > 0 {
		*p = Paths{string(b)}
	}
	return nil
}

// String is the list for people.
func (p Paths) String() string { return strings.Join(p, ", ") }
