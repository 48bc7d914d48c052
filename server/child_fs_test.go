package server

import (
	"fmt"

	"trunkline/store"
)

// childFS makes the file system of a job that serves; without words it is the system's.
func childFS(words []string) (store.FS, error) {
	if len(words) == 0 {
		return nil, nil
	}
	return nil, fmt.Errorf("no file system %q", words)
}
