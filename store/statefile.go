package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// stateFile is the name of the file that says how the last process left the mailboxes.
const stateFile = "state"

// stateVersion is the form of the file and of what it describes. A later one is not read.
const stateVersion = 1

const (
	stateTitle   = "# Mailboxes of trunkline: how the last process left them. Written by the server, see docs/operations.md"
	stateSumName = "checksum"
)

// state is what a start must know before it looks at anything else.
type state struct {
	Incarnation uint64 // never 0
	Owner       uint32 // the owner epoch
	Ack         Ack    // of the process that wrote it
	Clean       bool   // it has ended cleanly: journals are empty
	Replayed    bool   // what the journals hold is in the offline store: they may be removed unread
	Backup      bool   // a copy that is older than what clients have seen
	Journals    []journalPlace
}

// journalPlace is a directory of the journal, which has its id in a file.
type journalPlace struct {
	ID   string // as JournalIDs names it
	Path string // relative to the directory of the state file when it is below that
}

// bytes is the file's content: one `name: value` a line, and a checksum of all lines before it.
func (s *state) bytes() []byte {
	b := fmt.Appendf(nil, "%s\nversion: %d\nincarnation: %016x\nowner: %d\nack: %v\nclean: %s\nreplayed: %s\nbackup: %s\n",
		stateTitle, stateVersion, s.Incarnation, s.Owner, s.Ack, yesNo(s.Clean), yesNo(s.Replayed), yesNo(s.Backup))
	for _, j := range s.Journals {
		b = fmt.Appendf(b, "journal: %s %s\n", j.ID, strconv.Quote(j.Path))
	}
	return fmt.Appendf(b, "%s: %08x\n", stateSumName, stateSum(b))
}

func stateSum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// readState reads the file of a directory. ok false: there is none. Errors: *DamageError (ErrStateDamaged), ErrStoreVersion, the system's.
func readState(fs vfs.FS, dir string) (s state, ok bool, err error) {
	path := fs.PathJoin(dir, stateFile)
	f, err := fs.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return state{}, false, nil
	}
	if err != nil {
		return state{}, false, err
	}
	b, err := io.ReadAll(io.LimitReader(f, StateBytesMax+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return state{}, false, err
	}
	s, at, err := parseState(b)
	if err != nil && !errors.Is(err, ErrStoreVersion) {
		err = &DamageError{Path: path, Offset: int64(at), Why: err.Error(), Err: ErrStateDamaged}
	}
	return s, err == nil, err
}

// writeState puts the file in place, whole and durable.
func writeState(fs vfs.FS, dir string, s *state) error {
	return writeWhole(fs, dir, fs.PathJoin(dir, stateFile), s.bytes())
}

// parseState reads the content. at is where it stopped.
func parseState(b []byte) (s state, at int, err error) {
	if len(b) > StateBytesMax {
		return s, StateBytesMax, fmt.Errorf("longer than %d bytes", StateBytesMax)
	}
	seen := map[string]bool{}
	text := string(b)
	for at < len(text) {
		line, _, whole := strings.Cut(text[at:], "\n")
		if !whole {
			return s, at, errors.New("the last line has no end")
		}
		if !strings.HasPrefix(line, "#") {
			name, value, ok := strings.Cut(line, ": ")
			if !ok || seen[name] && name != "journal" {
				return s, at, fmt.Errorf("line %q", line)
			}
			seen[name] = true
			if name == stateSumName {
				return s, at, endState(&s, seen, value, b[:at], text[at+len(line)+1:])
			}
			if err := s.set(name, value); err != nil {
				return s, at, err
			}
		}
		at += len(line) + 1
	}
	return s, at, errors.New("it has no checksum")
}

// endState checks what all lines are worth together.
func endState(s *state, seen map[string]bool, sum string, summed []byte, rest string) error {
	if want := fmt.Sprintf("%08x", stateSum(summed)); sum != want {
		return fmt.Errorf("its checksum is %s, it says %q", want, sum)
	}
	if rest != "" {
		return errors.New("something follows the checksum")
	}
	for _, name := range []string{"version", "incarnation", "owner", "ack", "clean", "replayed", "backup"} {
		if !seen[name] {
			return fmt.Errorf("it has no %s", name)
		}
	}
	if s.Incarnation == 0 {
		return errors.New("its incarnation is 0")
	}
	return nil
}

// set takes one line.
func (s *state) set(name, value string) (err error) {
	switch name {
	case "version":
		var v uint64
		if v, err = strconv.ParseUint(value, 10, 32); err == nil && v > stateVersion {
			return fmt.Errorf("%w: state file of version %d, this server reads %d", ErrStoreVersion, v, stateVersion)
		}
	case "incarnation":
		s.Incarnation, err = strconv.ParseUint(value, 16, 64)
	case "owner":
		var v uint64
		v, err = strconv.ParseUint(value, 10, ownerEpochBits)
		s.Owner = uint32(v)
	case "ack":
		s.Ack, err = parseAck(value)
	case "clean":
		s.Clean, err = parseYesNo(value)
	case "replayed":
		s.Replayed, err = parseYesNo(value)
	case "backup":
		s.Backup, err = parseYesNo(value)
	case "journal":
		err = s.addJournal(value)
	default:
		return fmt.Errorf("unknown name %q", name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (s *state) addJournal(value string) error {
	id, quoted, _ := strings.Cut(value, " ")
	path, err := strconv.Unquote(quoted)
	if err != nil || id == "" || path == "" {
		return fmt.Errorf("%q is not an id and a path", value)
	}
	s.Journals = append(s.Journals, journalPlace{ID: id, Path: path})
	return nil
}

func parseYesNo(value string) (bool, error) {
	if value != "yes" && value != "no" {
		return false, fmt.Errorf("%q is neither yes nor no", value)
	}
	return value == "yes", nil
}

func parseAck(value string) (Ack, error) {
	for _, a := range []Ack{AckDisk, AckMemory} {
		if a.String() == value {
			return a, nil
		}
	}
	return 0, fmt.Errorf("unknown mode %q", value)
}
