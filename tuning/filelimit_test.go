package tuning

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// childEnv makes the test binary lower its own limit and raise it again: a process can lower its hard limit only once.
const childEnv = "TRUNKLINE_TUNING_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(lowerAndRaise())
	}
	os.Exit(m.Run())
}

func lowerAndRaise() int {
	_, hard, err := fileLimit()
	if err != nil {
		println("read:", err.Error())
		return 1
	}
	if err := setFileLimit(min(300, hard), hard); err != nil {
		println("lower:", err.Error())
		return 1
	}
	l, err := RaiseFileLimit()
	if err != nil {
		println("raise:", err.Error())
		return 1
	}
	println(l.SoftWas, l.HardWas, l.Soft, l.Hard)
	return 0
}

func TestRaiseFileLimitTakesTheSoftLimitToTheHardLimitAndSaysBoth(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v: %s", err, out)
	}
	fields := strings.Fields(string(out))
	if len(fields) != 4 {
		t.Fatalf("child printed %q", out)
	}
	var n [4]uint64
	for i, f := range fields {
		if n[i], err = strconv.ParseUint(f, 10, 64); err != nil {
			t.Fatalf("child printed %q", out)
		}
	}
	softWas, hardWas, soft, hard := n[0], n[1], n[2], n[3]
	if softWas != min(300, hardWas) {
		t.Errorf("was %d, want 300", softWas)
	}
	if soft != hard && runtime.GOOS != "darwin" {
		t.Errorf("soft limit is %d with a hard limit of %d", soft, hard)
	}
	if soft <= softWas || hard < hardWas {
		t.Errorf("limits went from %d/%d to %d/%d", softWas, hardWas, soft, hard)
	}
}

func TestConnectionsAreTheLimitLessTheReserve(t *testing.T) {
	for _, row := range []struct {
		name string
		soft uint64
		want int
	}{
		{"a limit of 20,000 keeps the reserve back", 20_000, 20_000 - DescriptorReserve},
		{"a limit of exactly the reserve allows none", DescriptorReserve, 0},
		{"a limit below the reserve allows none", 10, 0},
		{"an infinite limit stays a number", ^uint64(0), FilesUnlimited - DescriptorReserve},
	} {
		if got := (FileLimit{Soft: row.soft}).Connections(); got != row.want {
			t.Errorf("%s: got %d, want %d", row.name, got, row.want)
		}
	}
}

func TestUsageGrowsWithWork(t *testing.T) {
	before, err := ProcessUsage()
	if err != nil {
		t.Fatal(err)
	}
	sink := make([]byte, 32<<20)
	for range 4 {
		for i := range sink {
			sink[i] += byte(i)
		}
	}
	after, err := ProcessUsage()
	if err != nil {
		t.Fatal(err)
	}
	if after.UserCPU+after.SystemCPU <= before.UserCPU+before.SystemCPU {
		t.Errorf("CPU time went from %v to %v", before, after)
	}
	if runtime.GOOS == "linux" && after.RSSBytes < before.RSSBytes+16<<20 {
		t.Errorf("resident memory went from %d to %d after touching 32 MiB", before.RSSBytes, after.RSSBytes)
	}
	runtime.KeepAlive(sink)
}
