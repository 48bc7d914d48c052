package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"trunkline/server"
	"trunkline/store"
)

const storeBackupHelp = `Usage: trunkline store backup DIR [--admin ADDR] [--with-keys] [--json]      of a running server, through its admin listener
       trunkline store backup DIR --data DATA [--with-keys] [--json]       of a stopped one

Copies mailboxes, journal, accounts, hash seed and state into DIR, which must not exist or be empty, on the server's machine. The copy of a
running server is what was durable at some moment meanwhile; clients notice nothing. DIR/BACKUP is written last and lists every file with its
SHA-256. Where DIR is on the disk of the data, files that never change are shared with it by hard links: copy DIR elsewhere.
Private keys are not copied: keep those apart, or say --with-keys and keep the backup secret (its files have mode 0600). Without keys a restored server
needs the old ones put back, else clients refuse it.
Exit status: 0 copied, 1 an error (what was begun is removed), 2 wrong flags.
`

const storeRestoreHelp = `Usage: trunkline store restore --from DIR --data DATA [--json]

Makes the data directory DATA of a backup. DATA must be empty or not exist. The backup is compared with its list of SHA-256 first, and so is the
copy. The next start draws a new incarnation: clients have seen more than the backup holds, forget what they had acknowledged and send what has no first tick.
Exit status: 0 restored, 1 an error (DATA is left empty), 2 wrong flags.
`

const storeReseedHelp = `Usage: trunkline store reseed [--data DIR] [--json]

Draws a new hash seed, which places users on loops, and places all mailboxes anew: in a second store beside the first, which is compared with it mailbox by
mailbox. Then seed and store are switched as one: a crash at any moment leaves the old ones or the new ones. The journal is applied first.
It takes as much room as the mailboxes have. For a seed that somebody may have read. Exit status: 0 done, 1 an error (the old ones stay), 2 wrong flags.
`

func (o *storeOptions) backupFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.admin, "admin", "", "`address` of the running server's admin listener (default "+server.AdminDefault+")")
	fs.BoolVar(&o.withKeys, "with-keys", false, "copy the private keys too: the backup is a secret then")
	fs.StringVar(&o.keys, "keys", "", "`directory` of the keys, with --data and --with-keys; the default is DATA/keys")
}

func (o *storeOptions) checkBackup(fs *flag.FlagSet) error {
	switch {
	case o.to == "":
		return errors.New("say where to: trunkline store backup DIR")
	case o.data != "" && o.admin != "":
		return errors.New("--data is for a stopped server and --admin for a running one")
	case o.keys != "" && (o.data == "" || !o.withKeys):
		return errors.New("--keys is for --data and --with-keys: a running server knows its own")
	case o.data != "":
		return nil
	}
	if o.admin == "" {
		o.admin = server.AdminDefault
	}
	if _, _, err := net.SplitHostPort(o.admin); err != nil {
		return fmt.Errorf("--admin: %q is not an address and port like %s", o.admin, server.AdminDefault)
	}
	return nil
}

// storeBackup copies.
func storeBackup(o *storeOptions, stdout, stderr io.Writer) int {
	to, err := filepath.Abs(o.to)
	if err != nil {
		return storeFailed(o.verb, err, stderr)
	}
	var c store.Copied
	if o.admin != "" {
		c, err = askBackup(o.admin, to, o.withKeys)
	} else {
		c, err = o.backupStopped(to)
	}
	if err != nil {
		return storeFailed(o.verb, err, stderr)
	}
	return o.print(c, func(w io.Writer) {
		fmt.Fprintf(w, "%s, %s, in %s\n", count(c.Files, "file"), bytesText(c.Bytes), c.Dir)
		if c.Keys {
			fmt.Fprintln(w, "with the private keys: keep it secret")
		} else {
			fmt.Fprintln(w, "without the private keys: keep a copy of those too")
		}
	}, stdout, stderr)
}

func (o *storeOptions) backupStopped(to string) (store.Copied, error) {
	d, held, err := o.hold(true)
	if err != nil {
		return store.Copied{}, err
	}
	c, err := d.Backup(to, o.withKeys)
	return c, errors.Join(err, held.Close())
}

// askBackup has a running server copy what it keeps. It takes as long as it takes.
func askBackup(admin, to string, keys bool) (c store.Copied, err error) {
	q := url.Values{server.BackupDir: {to}}
	if keys {
		q.Set(server.BackupKeys, "yes")
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+admin+"/backup?"+q.Encode(), nil)
	if err != nil {
		return c, err
	}
	req.Header.Set(server.AdminHeader, "1")
	client := &http.Client{}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return c, notAnswered(admin, err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, statusBytesMax))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return c, err
	}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return c, fmt.Errorf("%s does not answer like a trunkline server's admin address: %s", admin, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return c, fmt.Errorf("the server refuses: %s", strings.TrimSpace(string(body)))
	}
	return c, json.Unmarshal(body, &c)
}

func (o *storeOptions) restoreFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.from, "from", "", "`directory` of the backup")
}

func (o *storeOptions) checkRestore(*flag.FlagSet) error {
	switch {
	case o.from == "":
		return errors.New("--from names the backup and is required")
	case o.data == "":
		return errors.New("--data names the directory that is made and is required")
	}
	return nil
}

// storeRestore makes a data directory.
func storeRestore(o *storeOptions, stdout, stderr io.Writer) int {
	held, err := server.HoldData(o.data, true)
	if err != nil {
		return storeFailed(o.verb, err, stderr)
	}
	var c store.Copied
	if _, err = store.FinishSwitch(nil, o.data); err == nil {
		c, err = held.Mailboxes().Restore(o.from)
	}
	if err = errors.Join(err, held.Close()); err != nil {
		return storeFailed(o.verb, err, stderr)
	}
	return o.print(c, func(w io.Writer) {
		fmt.Fprintf(w, "%s, %s, of %s\n", count(c.Files, "file"), bytesText(c.Bytes), date(c.MadeUnix))
		if !c.Keys {
			fmt.Fprintf(w, "without private keys: put the old ones into %s before the server starts, else it makes new ones and clients refuse it\n", filepath.Join(o.data, "keys"))
		}
	}, stdout, stderr)
}

// storeReseed places everybody anew.
func storeReseed(o *storeOptions, stdout, stderr io.Writer) int {
	d, held, err := o.hold(true)
	if err != nil {
		return storeFailed(o.verb, err, stderr)
	}
	seed, err := server.DrawSeed()
	var r store.Reseeded
	if err == nil {
		r, err = d.Reseed(seed)
	}
	if err = errors.Join(err, held.Close()); err != nil {
		return storeFailed(o.verb, err, stderr)
	}
	return o.print(r, func(w io.Writer) {
		if r.Applied {
			fmt.Fprintln(w, "the last stop was not clean: the journal was applied first")
		}
		fmt.Fprintf(w, "before  %d mailboxes, %d entries, %d bytes, sum %.16s\n", r.Before.Mailboxes, r.Before.Entries, r.Before.PayloadBytes, r.Before.Sum)
		fmt.Fprintf(w, "after   %d mailboxes, %d entries, %d bytes, sum %.16s\n", r.After.Mailboxes, r.After.Entries, r.After.PayloadBytes, r.After.Sum)
	}, stdout, stderr)
}
