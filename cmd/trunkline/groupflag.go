package main

import (
	"errors"

	"trunkline/client"
)

// groupFlag is a group's id on the command line; 0 is none.
type groupFlag uint64

// String is the group as people write it, empty for none.
func (g *groupFlag) String() string {
	if *g == 0 {
		return ""
	}
	return client.GroupName(uint64(*g))
}

// Set takes g and a number.
func (g *groupFlag) Set(s string) error {
	id, err := client.ParseGroup(s)
	if err != nil {
		return errors.New("a group is written g and a number, as in g123")
	}
	*g = groupFlag(id)
	return nil
}
