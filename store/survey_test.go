package store

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestASurveyCountsWhatTheNextStartFindsAndChangesNothing(t *testing.T) {
	for _, clean := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "data")
		kept := makeScene(t, vfs.Default, dir, 700, clean)
		before := picture(t, dir)
		d := sceneDirectory(vfs.Default, dir)
		s, err := d.Survey()
		must(t, err)
		bytes := 0
		for _, m := range kept {
			for _, p := range m {
				bytes += len(p)
			}
		}
		if s.Users != 700 || s.Mailboxes != len(kept) || int(s.Messages) != kept.entries() || int(s.PayloadBytes) != bytes || s.Notices != 0 {
			t.Errorf("clean %t: %+v, want 700 users, %d mailboxes, %d messages, %d bytes", clean, s, len(kept), kept.entries(), bytes)
		}
		if s.OldestUnix != 1_700_000_001 || s.Clean != clean || s.Void || s.Ack != "disk" || s.DiskBytes == 0 || len(s.Incarnation) != 16 {
			t.Errorf("clean %t: %+v", clean, s)
		}
		if (s.JournalRounds == 0) != clean || (s.JournalBytes == 0) != clean {
			t.Errorf("clean %t: the journal has %d rounds in %d bytes", clean, s.JournalRounds, s.JournalBytes)
		}
		mail, heads := mailHeld(t, d)
		sameMail(t, "survey", mail, kept)
		if h := heads[boxName{5, 1}]; h.Gen != 2 || h.Mark != 5 {
			t.Errorf("a head: %+v", h)
		}
		samePicture(t, before, picture(t, dir))
		opens(t, "after the survey", vfs.Default, dir, kept)
	}
}

func TestASurveyCountsApartWhatIsNoDevices(t *testing.T) {
	fs := vfs.NewMem()
	kept := makeScene(t, fs, sceneDir, 10, true)
	k := sceneKeeper(t, fs, sceneDir)
	batch := k.offline.NewBatch()
	for _, place := range []uint64{3, personMax, personMax + 1, groupPlace} {
		for _, device := range []uint8{DevicePending, DeviceState} {
			h := Head{User: place, Device: device, Last: 2}
			for seq := range uint64(2) {
				e := Entry{Key: Key{User: place, Device: device, Seq: seq + 1}, Kind: KindState, TimeSec: 1}
				if device == DevicePending {
					e.Kind = KindMessage
				}
				h.Add(e.Kind, 3)
				batch.PutEntry(&e, []byte("abc"))
			}
			batch.PutHead(&h)
		}
	}
	must(t, k.offline.Apply(batch))
	must(t, k.Close(true))
	s, err := sceneDirectory(fs, sceneDir).Survey()
	must(t, err)
	if s.Users != 11 || s.Groups != 2 || s.Mailboxes != len(kept) || int(s.Messages) != kept.entries() || s.Notices != 0 {
		t.Errorf("%+v", s)
	}
	if s.StatePieces != 8 || s.Pending != 8 || s.OldestUnix != 1_700_000_001 {
		t.Errorf("%+v", s)
	}
}

func TestAnExportShowsOneUserAndNobodyElse(t *testing.T) {
	fs := vfs.NewMem()
	kept := makeScene(t, fs, sceneDir, 200, false)
	d := sceneDirectory(fs, sceneDir)
	export := func(user uint64, device *uint8) (keptMail, error) {
		got := keptMail{}
		return got, d.Export(user, device,
			func(h *Head) error { got[boxName{h.User, h.Device}] = map[uint64]string{}; return nil },
			func(e *Entry, payload []byte) error {
				got[boxName{e.User, e.Device}][e.Seq] = string(payload)
				return nil
			})
	}
	one := uint8(1)
	for _, row := range []struct {
		user   uint64
		device *uint8
		want   []boxName
	}{
		{7, nil, []boxName{{7, 0}, {7, 1}}},
		{8, nil, []boxName{{8, 0}}},
		{7, &one, []boxName{{7, 1}}},
		{8, &one, nil},
		{201, nil, nil},
	} {
		got, err := export(row.user, row.device)
		want := keptMail{}
		for _, b := range row.want {
			want[b] = kept[b]
		}
		sameMail(t, "export", got, want)
		if (row.want == nil) != errors.Is(err, ErrNoMailbox) || row.want != nil && err != nil {
			t.Errorf("user %d: %v", row.user, err)
		}
	}
	full := errors.New("no room behind the pipe")
	if err := d.Export(7, nil, func(*Head) error { return full }, nil); !errors.Is(err, full) {
		t.Errorf("an export that can't be written: %v", err)
	}
	if err := d.Export(7, nil, func(*Head) error { return nil }, func(*Entry, []byte) error { return full }); !errors.Is(err, full) {
		t.Errorf("an export that can't be written: %v", err)
	}
}

func TestADirectoryWithoutMailboxesIsSaidToBeOne(t *testing.T) {
	fs := vfs.NewMem()
	must(t, fs.MkdirAll(sceneDir, 0o700))
	d := sceneDirectory(fs, sceneDir)
	if _, err := d.Survey(); !errors.Is(err, ErrNoData) {
		t.Errorf("survey: %v", err)
	}
	putFile(t, fs, sceneDir+"/switch", "x")
	if _, err := d.Survey(); !errors.Is(err, ErrUnfinished) {
		t.Errorf("survey of an interrupted switch: %v", err)
	}
}
