package history

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/client/chat/talk"
)

// crashPath makes the test binary a writer that is killed.
const crashPath = "TRUNKLINE_CHAT_CRASH_PATH"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashPath); path != "" {
		writeForEver(path)
	}
	os.Exit(m.Run())
}

// writeForEver writes bursts of lines and says each that was kept. Somebody kills it.
func writeForEver(path string) {
	s, err := Open(path, me, 0, false)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	page, err := s.Page(talk.Load{Peer: friend})
	next := uint64(1)
	if n := len(page.Lines); n > 0 {
		next = page.Lines[n-1].ID + 1
	}
	for ; err == nil; next += 5 {
		var w talk.Write
		for i := next; i < next+5; i++ {
			w.Lines = append(w.Lines, heard(friend, i, fmt.Sprint("line ", i, strings.Repeat(" and more", int(i%300)))))
		}
		if _, _, err = s.Write(&w); err == nil {
			fmt.Println("kept", next+4)
		}
	}
	fmt.Println("error", err)
	os.Exit(1)
}

func TestAKilledWriterLosesNothingThatItSaidIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h")
	for run := 1; run <= 6; run++ {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashPath+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := uint64(0)
		for in, n := bufio.NewScanner(out), 0; in.Scan(); n++ {
			if _, err := fmt.Sscanf(in.Text(), "kept %d", &said); err != nil {
				t.Errorf("the writer says %q", in.Text())
			}
			if n == 7*run { // and on it writes, until the signal is there
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		s := openAt(t, path)
		if err := s.check(); err != nil {
			t.Fatalf("run %d: %v", run, err)
		}
		lines, err := s.lines("SELECT " + columns + " FROM line ORDER BY row")
		if err != nil || uint64(len(lines)) < said || len(lines)%5 != 0 {
			t.Fatalf("run %d: %d lines, %d said, %v", run, len(lines), said, err)
		}
		for i := range lines {
			if lines[i].ID != uint64(i+1) {
				t.Fatalf("run %d: line %d has id %d", run, i, lines[i].ID)
			}
		}
		if said == 0 {
			t.Fatalf("run %d: nothing was said", run)
		}
		_ = s.Close()
	}
}
