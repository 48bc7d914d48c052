package main

import (
	"fmt"
	"io"
)

// Commands whose own file is not there yet.

func runSend(_ []string, _ io.Reader, _, stderr io.Writer) int { return notBuilt("send", stderr) }
func runRecv(_ []string, _ io.Reader, _, stderr io.Writer) int { return notBuilt("recv", stderr) }
func runChat(_ []string, _ io.Reader, _, stderr io.Writer) int { return notBuilt("chat", stderr) }

func notBuilt(name string, stderr io.Writer) int {
	fmt.Fprintf(stderr, "trunkline %s: not built yet\n", name)
	return exitUsage
}
