package main

import (
	"fmt"
	"io"
)

func runServe(_ []string, _ io.Reader, _, stderr io.Writer) int {
	fmt.Fprintln(stderr, "trunkline serve: not built yet")
	return exitUsage
}
