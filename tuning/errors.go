package tuning

import "errors"

// Errors of a System.
var (
	// ErrUnknown: this release has no limit of that name.
	ErrUnknown = errors.New("this release does not have it")
	// ErrPermission: the system lets other users read or set it, not this one.
	ErrPermission = errors.New("permission denied")
	// ErrUnsupported: nothing here can read or set it: another operating system, or a limit that the server sets for each socket.
	ErrUnsupported = errors.New("not supported here")
	// ErrReboot: it is read once when the kernel starts, so it is set in loader.conf(5) and by a reboot.
	ErrReboot = errors.New("only takes effect at the next boot")
	// ErrRefused: the system does not take the value.
	ErrRefused = errors.New("the system refuses the value")
)

// Errors of Check and Plan.
var (
	// ErrLoad: the load makes no sense. The error's text says which part of it and what would.
	ErrLoad = errors.New("load")
	// ErrMachine: what the system says of the machine makes no sense: no memory, no cores.
	ErrMachine = errors.New("machine")
)
