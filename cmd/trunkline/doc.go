// Command trunkline runs the chat server and the tools around it.
//
// It owns flags, signals and exit codes, one file for each subcommand; everything else is in the packages it calls.
// Exit codes: 0 done, 1 the work could not be done, 2 wrong flags or configuration, 3 what was waited for did not
// happen in time, 130 ended at once by a second Ctrl-C. Of `tune check` 0, 1 and 2 mean fit, not fit and can't tell.
//
// Source: docs/operations.md.
package main
