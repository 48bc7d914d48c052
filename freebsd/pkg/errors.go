package main

import "errors"

// Reading the port.
var (
	errPortVariable = errors.New("the port's Makefile lacks a variable")
	errPortKeyword  = errors.New("pkg-plist has a keyword that is not known here")
	errPortMessage  = errors.New("pkg-message has no messages")
	errPortMode     = errors.New("pkg-plist has a mode that is none")
)

// Gathering and describing files.
var (
	errNoSource = errors.New("pkg-plist has a path without a source")
	errNotBuilt = errors.New("the binary is not a FreeBSD program for that processor")
	errArch     = errors.New("unknown processor")
	errVersion  = errors.New("a version is three numbers, and may have -dev or -rcN behind")
)
