package client

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// StateFolder is where programs keep their state for the user who runs them: below XDG_STATE_HOME, or below the home directory. It is not made.
// Errors: there is no home directory.
func StateFolder() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "trunkline"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home directory: %w", err)
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "trunkline"), nil
	}
	return filepath.Join(home, ".local", "state", "trunkline"), nil
}

// ServerFolder is one path element that stands for a server's address, so that all programs of a device use one state for one server.
func ServerFolder(addr string) string { return fileName(oneName(addr)) }

// oneName gives the usual names of this machine's loopback one name: a device that was used as localhost:5222 and as
// 127.0.0.1:5222 would register twice, and the first registration could never be used again.
func oneName(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	switch strings.ToLower(host) {
	case "", "localhost", "localhost.", "0.0.0.0", "::", "::1":
		host = "127.0.0.1"
	}
	return net.JoinHostPort(strings.ToLower(host), port)
}

// fileName makes one path element of a server's address.
func fileName(addr string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, addr)
}
