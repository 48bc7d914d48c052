package shard_test

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/internal/testkit"
)

var update = flag.Bool("update", false, "rewrite the outcome of the scenarios in testdata; read the difference")

// Every scenario must have the same outcome wherever sessions stay.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, place := range []string{"home", "accept"} {
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".txt")
			t.Run(place+"/"+name, func(t *testing.T) { testkit.RunScript(t, file, place, *update) })
		}
	}
}
