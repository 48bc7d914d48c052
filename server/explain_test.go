package server

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// memoryDoc holds the explanation of a million sessions on two loops between two lines of backquotes.
const memoryDoc = "../docs/memory.md"

func TestTheExplainedTableIsInTheDocs(t *testing.T) {
	e, err := ExplainMemory(1_000_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := e.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(memoryDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), "```\n")
	_, after, ok2 := strings.Cut(rest, "```\n")
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", memoryDoc)
	}
	want := before + "```\n" + table.String() + "```\n" + after
	if *update {
		if err := os.WriteFile(memoryDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(doc) {
		t.Errorf("%s is not what the program says; go test ./server -run Explained -update\n%s", memoryDoc, &table)
	}
}

func TestTheExplanationAddsUp(t *testing.T) {
	for _, n := range []int{1, 9_000, 1_000_000, 2_400_000} {
		e, err := ExplainMemory(n, 4)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, it := range e.Items {
			if it.Each < 0 {
				t.Errorf("%d sessions: %s is %v", n, it.Name, it.Each)
			}
			sum += it.Each
		}
		if sum-e.Each > 0.1 || e.Each-sum > 0.1 || e.Bytes != int64(e.Each*float64(n)) {
			t.Errorf("%d sessions: the items are %.1f bytes, the sum %.1f, all %d", n, sum, e.Each, e.Bytes)
		}
		if n >= 9_000 && (e.Each < 344 || e.Each > 400) {
			t.Errorf("%d sessions: %.1f bytes each", n, e.Each)
		}
		for _, k := range e.Kernel {
			if k.Each < 2000 || k.Bytes < k.Each*int64(n) || len(k.Parts) < 4 {
				t.Errorf("%d sessions: %+v", n, k)
			}
		}
		if text, err := json.Marshal(e); err != nil || !strings.Contains(string(text), `"record_bytes":72`) {
			t.Errorf("%v: %s", err, text)
		}
	}
}
