// Package house holds the rules of this repository that a machine can check.
//
// It has tests only: the table of allowed imports, package documentation, documented exported names, lengths of files
// and functions, words that have no place in finished code, and the pins of go.mod. It refuses to format or
// to fix anything. The table in imports_test.go is the architecture: a new edge is a visible change with a reason.
package house
