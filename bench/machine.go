package bench

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// Machine says where figures were measured. What can't be read is empty.
type Machine struct {
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	Kernel      string `json:"kernel,omitempty"`
	CPU         string `json:"cpu,omitempty"`
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memory_bytes,omitempty"`
	Go          string `json:"go"`
	Commit      string `json:"commit,omitempty"`
	Load        string `json:"load,omitempty"` // load average at the start: what else ran
}

// String is the machine in one line.
func (m Machine) String() string {
	parts := []string{m.OS + "/" + m.Arch}
	if m.Kernel != "" {
		parts = append(parts, m.Kernel)
	}
	parts = append(parts, fmt.Sprintf("%d cores", m.Cores), m.Go)
	return strings.Join(parts, ", ")
}

func readMachine() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				m.Commit = s.Value
			}
		}
	}
	m.Kernel, m.MemoryBytes = readKernel()
	m.CPU = procField("/proc/cpuinfo", "model name")
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.TrimSpace(string(b))
	}
	return m
}

// procField reads the value behind "name:" of a file like /proc/cpuinfo; "" where there is none.
func procField(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for _, line := range strings.Split(string(b), "\n") {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
