package server

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The values of Config.Ack.
const (
	AckDisk   = "disk"   // the first tick means: synced to the disk
	AckMemory = "memory" // ... in the memory of the server
)

// withDurableDefaults fills the zero fields of what outlives the process.
func (c Config) withDurableDefaults() Config {
	orString(&c.Ack, AckFor(c.Data))
	orDuration(&c.JournalLinger, JournalLingerDefault)
	orBytes(&c.JournalBytes, JournalBytesDefault)
	orDuration(&c.WriteBack, WriteBackDefault)
	orDuration(&c.Retention, RetentionDefault)
	return c
}

// AckFor is the default of Config.Ack with that data directory: without one there is no disk that could promise anything.
func AckFor(data string) string {
	if data == "" {
		return AckMemory
	}
	return AckDisk
}

// checkDurable reports the first of these settings that can't be used.
func (c Config) checkDurable() error {
	for _, check := range []func() error{
		c.checkAck,
		c.checkJournal,
		func() error {
			return checkDuration("journal-linger", c.JournalLinger, JournalLingerMin, JournalLingerMax)
		},
		func() error { return checkInt("journal-bytes", int(c.JournalBytes), JournalBytesMin, 1<<50) },
		func() error { return checkDuration("write-back", c.WriteBack, WriteBackMin, WriteBackMax) },
		func() error { return checkDuration("retention", c.Retention, RetentionMin, RetentionMax) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkAck refuses a promise that can't be kept: without a data directory nothing reaches a disk. "" is AckFor(Data).
func (c Config) checkAck() error {
	if c.Ack == "" {
		return nil
	}
	if err := checkWord("ack", c.Ack, AckDisk, AckMemory); err != nil {
		return err
	}
	if c.Ack == AckDisk && c.Data == "" {
		return &ConfigError{"ack", fmt.Sprintf("%s needs a data directory, and there is none: give --data DIR, or --ack=%s, with which "+
			"the first tick only says that the message is in the server's memory", AckDisk, AckMemory)}
	}
	return nil
}

// checkJournal wants directories of the journal's own, each once.
func (c Config) checkJournal() error {
	if len(c.Journal) == 0 {
		return nil
	}
	if c.Data == "" {
		return &ConfigError{"journal", fmt.Sprintf("%s has no use without a data directory: nothing is kept", c.Journal[0])}
	}
	if len(c.Journal) > JournalsMax {
		return &ConfigError{"journal", fmt.Sprintf("%d directories are more than %d", len(c.Journal), JournalsMax)}
	}
	_, err := c.Journal.absolute(c.Data)
	return err
}

// absolute is the list as the working directory has it. The data directory itself and what others keep in it are refused: a journal's
// directory holds nothing else.
func (p Paths) absolute(data string) (Paths, error) {
	home, err := filepath.Abs(data)
	if err != nil {
		return nil, &ConfigError{"data", err.Error()}
	}
	var list Paths
	for _, path := range p {
		if path == "" {
			return nil, &ConfigError{"journal", "an empty name is no directory"}
		}
		abs, err := filepath.Abs(path)
		switch {
		case err != nil:
			return nil, &ConfigError{"journal", fmt.Sprintf("%s: %s", path, err)}
		case slices.Contains(list, abs):
			return nil, &ConfigError{"journal", fmt.Sprintf("%s is named twice: each directory has one writer", path)}
		case reserved(home, abs):
			return nil, &ConfigError{"journal", fmt.Sprintf("%s is used by the server for something else: name a directory of its own", path)}
		}
		list = append(list, abs)
	}
	return list, nil
}

// reserved says whether path is the data directory, or lies in it where something else is kept.
func reserved(home, path string) bool {
	rel, err := filepath.Rel(home, path)
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(rel, string(filepath.Separator))
	return slices.Contains([]string{".", lockFile, seedFile, keysFolder, accountsFolder, stateFile, mailboxesFolder}, first)
}

// retentionSec is Retention in the unit that entries are stamped with, rounded up.
func (c Config) retentionSec() uint32 {
	return uint32((time.Duration(c.Retention) + time.Second - 1) / time.Second)
}
