package main

import (
	"fmt"
	"io"
	"runtime"

	"trunkline/server"
)

// runVersion prints what is running: version, commit when the build knows it, Go and system.
func runVersion(_ []string, _ io.Reader, stdout, _ io.Writer) int {
	fmt.Fprintf(stdout, "trunkline %s %s %s/%s\n", server.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitOK
}
