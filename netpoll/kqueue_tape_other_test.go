//go:build linux || (darwin && (amd64 || arm64))

package netpoll

import "testing"

// openKqueueWorld: no kernel of FreeBSD here, the tape answers.
func openKqueueWorld(*testing.T, string) kqueueWorld { return nil }
