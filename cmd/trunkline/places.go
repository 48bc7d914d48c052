package main

import (
	"flag"
	"strings"

	"trunkline/server"
)

// placesFlag is a flag that may be given several times, with one place or several behind commas each. The first one replaces what the
// configuration file named. What is wrong with a place is found later: package flag would print the place, with its password.
type placesFlag struct {
	list  *server.Places
	given bool
}

var _ flag.Getter = (*placesFlag)(nil)

// Set implements flag.Value.
func (f *placesFlag) Set(text string) error {
	if !f.given {
		*f.list, f.given = nil, true
	}
	*f.list = append(*f.list, strings.Split(text, ",")...)
	return nil
}

// Get implements flag.Getter.
func (f *placesFlag) Get() any { return *f.list }

// String implements flag.Value, for the zero value too.
func (f *placesFlag) String() string {
	if f.list == nil {
		return ""
	}
	return f.list.String()
}
