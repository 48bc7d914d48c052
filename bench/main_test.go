package bench

import (
	"fmt"
	"os"
	"testing"
)

// TestMain lets the test binary be the child processes that a measurement starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "bench" && os.Args[2] == "child" {
		if err := Child(os.Args[3:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
