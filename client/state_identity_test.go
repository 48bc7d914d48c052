package client

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// editFile changes a state's file behind its back.
func editFile(t *testing.T, path string, edit func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(edit), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestAFileOfBeforeIdentitiesOpensAndGetsOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := OpenState(path)
	if err != nil {
		t.Fatal(err)
	}
	marks := Marks{User: testUser, Generation: 5, Incarnation: 6, NextCseq: 1}
	if err := errors.Join(s.Commit(&Change{Marks: marks}), s.Close()); err != nil {
		t.Fatal(err)
	}
	editFile(t, path, func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(bucketIdentity)) })
	if s, err = OpenState(path); err != nil {
		t.Fatal(err)
	}
	snap, err := s.Load()
	if err != nil || snap.Marks != marks || snap.Identity != (Identity{}) {
		t.Fatalf("%+v, %v", snap, err)
	}
	id := Identity{Ticket: Ticket{Expires: 9}}
	if err := id.draw(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Commit(&Change{Marks: marks, Identity: &id}), s.Commit(&Change{Marks: marks}), s.Close()); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenState(path); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if snap, err = s.Load(); err != nil || snap.Identity != id {
		t.Errorf("%+v, %v", snap.Identity, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the keys' file has mode %v, %v", info.Mode(), err)
	}
}

func TestADamagedIdentityIsSaidToBeDamaged(t *testing.T) {
	for name, edit := range map[string]func(b *bbolt.Bucket) error{
		"cut off": func(b *bbolt.Bucket) error { return b.Put([]byte(keyIdentity), make([]byte, identityBytes-1)) },
		"longer":  func(b *bbolt.Bucket) error { return b.Put([]byte(keyIdentity), make([]byte, identityBytes+1)) },
		"of a later version": func(b *bbolt.Bucket) error {
			return b.Put([]byte("v2"), make([]byte, identityBytes))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			s, err := OpenState(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Commit(&Change{Marks: Marks{User: testUser, NextCseq: 1}}), s.Close()); err != nil {
				t.Fatal(err)
			}
			editFile(t, path, func(tx *bbolt.Tx) error { return edit(tx.Bucket([]byte(bucketIdentity))) })
			if s, err = OpenState(path); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.Load(); !errors.Is(err, ErrStateDamaged) {
				t.Errorf("Load: %v", err)
			}
		})
	}
}

func TestAFileKeepsKeysPinAndTicketAcrossProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	encrypted(t, func(t *testing.T, f *fake) {
		open := func() State {
			s, err := OpenState(path)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := open()
		leaveBehind(t, f, s, "m1")
		id := identityOf(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open()
		defer s.Close()
		if again := identityOf(t, s); again != id || !id.pinned() || id.Ticket == (Ticket{}) {
			t.Errorf("%+v, then %+v", id, again)
		}
		done := f.dialing(WithState(s)) // no option names the server
		p := f.accept()
		p.hello()
		p.success(welcome(0))
		p.expectSend(1)
		if p.opened.Gen != testGen {
			t.Errorf("came with flights %#x", p.flights)
		}
		p.close()
		if err := <-done; err != nil {
			t.Errorf("%v", err)
		}
	})
}
