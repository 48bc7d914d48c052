package main

import (
	"errors"
	"flag"

	"trunkline/server"
)

// pathsFlag is a list of directories as a flag: the first that is given takes the place of what the file says, each further one is added.
type pathsFlag struct {
	list  *server.Paths
	given bool
}

var _ flag.Getter = (*pathsFlag)(nil)

// Set implements flag.Value.
func (f *pathsFlag) Set(path string) error {
	if path == "" {
		return errors.New("an empty name is no directory")
	}
	if !f.given {
		*f.list, f.given = nil, true
	}
	*f.list = append(*f.list, path)
	return nil
}

// Get implements flag.Getter.
func (f *pathsFlag) Get() any { return *f.list }

// String implements flag.Value, for the zero value too.
func (f *pathsFlag) String() string {
	if f.list == nil {
		return ""
	}
	return f.list.String()
}
