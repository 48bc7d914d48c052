package server

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// keyLine is one line of a key file: a name and its words. Words that hold a secret are hexadecimal.
type keyLine struct {
	name  string
	words []string
}

// parseKeyFile reads lines "name word word". Empty lines and those that begin with # are passed over. Every line must have
// one of the names, and none comes twice: what a newer version wrote is not half understood.
func parseKeyFile(text string, names ...string) (map[string][]string, error) {
	lines := make(map[string][]string, len(names))
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		name, known := words[0], false
		for _, n := range names {
			known = known || n == name
		}
		if !known {
			return nil, fmt.Errorf("a line begins with %.16q", name)
		}
		if _, twice := lines[name]; twice {
			return nil, fmt.Errorf("%q stands there twice", name)
		}
		lines[name] = words[1:]
	}
	return lines, nil
}

// formatKeyFile is what parseKeyFile reads.
func formatKeyFile(comment string, lines ...keyLine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", comment)
	for _, l := range lines {
		fmt.Fprintf(&b, "%s %s\n", l.name, strings.Join(l.words, " "))
	}
	return b.String()
}

// hexWord decodes a word into dst, which it must fill.
func hexWord(dst []byte, words []string, i int) error {
	if i >= len(words) || len(words[i]) != hex.EncodedLen(len(dst)) {
		return fmt.Errorf("a value of %d hexadecimal digits is missing or cut off", hex.EncodedLen(len(dst)))
	}
	if _, err := hex.Decode(dst, []byte(words[i])); err != nil {
		return fmt.Errorf("a value is not %d hexadecimal digits", hex.EncodedLen(len(dst)))
	}
	return nil
}

// readKeyFile reads a file that nobody but this user can read or change.
// Errors: fs.ErrNotExist, ErrKeysExposed, ErrKeysBroken, or the system's.
func readKeyFile(path string) (string, error) {
	// open(2), O_NONBLOCK: a pipe that somebody put there must not hold the server up.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	stat, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	if !stat.Mode().IsRegular() {
		return "", fmt.Errorf("%w: %s is not a file", ErrKeysBroken, path)
	}
	if err := checkPrivate(path, stat, keyFileMode); err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, KeyFileBytesMax+1))
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	if len(b) > KeyFileBytesMax {
		return "", fmt.Errorf("%w: %s has more than %d bytes", ErrKeysBroken, path, KeyFileBytesMax)
	}
	return string(b), nil
}

// The widest modes that key files and their folder may have.
const (
	keyFileMode   fs.FileMode = 0o600
	keyFolderMode fs.FileMode = 0o700
)

// checkKeyFolder refuses a folder that others can look into. Errors: fs.ErrNotExist, ErrKeysExposed, ErrKeysBroken.
func checkKeyFolder(dir string) error {
	stat, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if !stat.IsDir() {
		return fmt.Errorf("%w: %s is not a directory", ErrKeysBroken, dir)
	}
	return checkPrivate(dir, stat, keyFolderMode)
}

// checkPrivate judges owner and mode; the error says what mends it.
func checkPrivate(path string, stat fs.FileInfo, widest fs.FileMode) error {
	if wide := stat.Mode().Perm() &^ widest; wide != 0 {
		return fmt.Errorf("%w: %s has mode %04o, so others can get at it; mend it with: chmod %o %s",
			ErrKeysExposed, path, stat.Mode().Perm(), widest, shellWord(path))
	}
	// stat(2), st_uid. A system that does not tell has no owners to check.
	if sys, ok := stat.Sys().(*syscall.Stat_t); ok {
		return checkOwner(path, int64(sys.Uid), int64(os.Geteuid()))
	}
	return nil
}

func checkOwner(path string, owner, self int64) error {
	if owner == self {
		return nil
	}
	return fmt.Errorf("%w: %s belongs to user %d, and this process runs as user %d; run it as the owner, or: chown %d %s",
		ErrKeysExposed, path, owner, self, self, shellWord(path))
}

// shellWord quotes a path for a shell when it must be.
func shellWord(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:=@%", r)
	}
	if path != "" && strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// makeKeyFolder makes the folder when it is missing, mode 0700.
func makeKeyFolder(dir string) error {
	if err := os.MkdirAll(dir, keyFolderMode); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return checkKeyFolder(dir)
}

// replaceFile puts a file in its place whole or not at all, and durably: temporary name, fsync, rename, fsync of the folder.
func replaceFile(path, text string) error {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by a crash; its mode may be any
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(temp) // the first error is the one to tell
		return fmt.Errorf("write %s: %w", temp, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// unixWord writes a unix time for a key file. parseUnixWord reads it.
func unixWord(unix int64) string { return strconv.FormatInt(unix, 10) }

func parseUnixWord(words []string, i int) (int64, error) {
	if i < len(words) {
		if n, err := strconv.ParseInt(words[i], 10, 64); err == nil && n >= 0 {
			return n, nil
		}
	}
	return 0, errors.New("a time is not a number of seconds")
}
