package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"trunkline/store"
)

// The parameters of POST /backup.
const (
	BackupDir  = "dir"  // where to: an absolute path that does not exist, or an empty directory
	BackupKeys = "keys" // "yes": private keys too
)

// AdminHeader must be set on requests that change something: pages in a browser on this machine can't send it to another site.
const AdminHeader = collectHeader

// backups answers POST /backup: it copies what the server keeps into a directory of this machine, while the server runs.
type backups struct {
	server *Server
	mu     sync.Mutex // one at a time; taken before everything else
}

// ServeHTTP answers with JSON (store.Copied) when the copy is made, however long that takes; a second request meanwhile is refused. Errors are one
// line of text. Beside the header the request must come from this machine: whoever asks chooses where the server writes.
func (b *backups) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(AdminHeader) == "" {
		http.Error(w, "set the header "+AdminHeader+": 1", http.StatusForbidden)
		return
	}
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !from.Addr().Unmap().IsLoopback() {
		http.Error(w, "backups are asked for on the server's own machine", http.StatusForbidden)
		return
	}
	dir, keys := r.FormValue(BackupDir), r.FormValue(BackupKeys)
	if !filepath.IsAbs(dir) || keys != "" && keys != "yes" {
		http.Error(w, "dir must be an absolute path, and keys yes or nothing", http.StatusBadRequest)
		return
	}
	if !b.mu.TryLock() {
		http.Error(w, "a backup is under way", http.StatusConflict)
		return
	}
	defer b.mu.Unlock()
	rc := http.NewResponseController(w)
	_ = errors.Join(rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Time{})) // the connection may be gone; then nobody reads the answer
	began := time.Now()
	copied, err := b.server.backup(filepath.Clean(dir), keys == "yes")
	log := b.server.cfg.Logger
	if err != nil {
		log.Error("a backup has failed", "dir", dir, "err", err)
		http.Error(w, err.Error(), backupStatus(err))
		return
	}
	log.Info("a backup is made", "dir", dir, "files", copied.Files, "bytes", copied.Bytes, "seconds", seconds(time.Since(began)))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(copied) // the peer may be gone
}

// backup makes a copy in dir. What a failed one has made is removed. The mailboxes come before the accounts: a device that registers again in
// between is newer in the accounts, as after any crash, and never the other way round.
func (s *Server) backup(dir string, keys bool) (c store.Copied, err error) {
	if s.durable == nil || s.durable.keeper == nil {
		return c, errNothingKept
	}
	if err := checkFree(dir); err != nil {
		return c, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := s.durable.keeper.Backup(dir); err != nil {
		return c, err
	}
	if err := s.copyAccounts(dir); err != nil {
		return c, err
	}
	d := store.Directory{Path: s.cfg.Data, Keys: s.cfg.KeysDir()}
	return d.EndBackup(dir, keys)
}

// checkFree sees to it that a backup meets nothing that is not its own.
func checkFree(dir string) error {
	switch err := os.Remove(dir); { // an empty directory goes: the copy makes it again
	case err == nil, errors.Is(err, os.ErrNotExist):
		return nil
	default:
		if _, statErr := os.Stat(dir); statErr != nil {
			return err
		}
		return fmt.Errorf("%w: %s", store.ErrBackupPlace, dir)
	}
}

func backupStatus(err error) int {
	switch {
	case errors.Is(err, errNothingKept), errors.Is(err, store.ErrBackupPlace):
		return http.StatusConflict
	case errors.Is(err, store.ErrDiskFull):
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}

// errNothingKept: the server runs without a data directory. The operator's fault.
var errNothingKept = errors.New("this server keeps nothing: it runs with --data off")
