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

// Errors of Render and Apply.
var (
	// ErrFormat: there is no such format, or the other system reads it.
	ErrFormat = errors.New("format")
	// ErrMarkers: the lines that begin and end our part of a file are damaged; nobody can say what is ours.
	ErrMarkers = errors.New("the markers of our part are damaged")
	// ErrContinued: the last line of a file ends with a backslash, so that lines behind it would become part of it.
	ErrContinued = errors.New("its last line ends with a backslash: lines behind it would become part of that one")
	// ErrNotRegular: what should be a file is something else. A symbolic link is not followed: what it points to may belong to others.
	ErrNotRegular = errors.New("it is no regular file")
	// ErrFileTooLarge: no file of settings is that long.
	ErrFileTooLarge = errors.New("it is too large for a file of settings")
	// ErrNoSystem: the root of the system to set up has no directory etc.
	ErrNoSystem = errors.New("there is no directory etc in it")
	// ErrRecord: what Undo needs was damaged or is of a later version.
	ErrRecord = errors.New("the record of what was changed can't be used")
	// ErrLocked: somebody applies or undoes below the same root.
	ErrLocked = errors.New("another apply is under way")
	// ErrNothing: an error came before anything was changed.
	ErrNothing = errors.New("nothing was changed")
	// ErrNothingToUndo: nothing was applied, or it was taken back.
	ErrNothingToUndo = errors.New("nothing was applied: there is nothing to take back")
)
