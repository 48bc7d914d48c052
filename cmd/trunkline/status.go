package main

import (
	"fmt"
	"io"
)

func runStatus(_ []string, _ io.Reader, _, stderr io.Writer) int {
	fmt.Fprintln(stderr, "trunkline status: not built yet")
	return exitUsage
}
