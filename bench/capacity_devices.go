package bench

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"trunkline/codec/secure"
)

// The devices of a capacity run, kept in a directory so that another run of it comes by ticket and registers nobody:
//
//	devices.json   deviceBook
//	devices.bin    a record of deviceBytes for each device, by its number
//	server/        the data directory of the run's own server
//
// Tickets and device keys are those of a load generator's users, nobody's secret; the files are for their owner alone all the same.

// deviceBook says whose devices they are.
type deviceBook struct {
	First   uint64 `json:"first_user"` // user of device 0
	Devices int    `json:"devices"`    // that have a ticket
}

// deviceBytes is one record: incarnation u64, seen u64, ticked u64, epoch u32, gen u16, has u8, psk, ticket.
const deviceBytes = 8 + 8 + 8 + 4 + 2 + 1 + 32 + secure.TicketBytes

// devicesChunk is how many records are read or written at once: 10 MB.
const devicesChunk = 64 << 10

func bookPath(dir string) string    { return filepath.Join(dir, "devices.json") }
func devicesPath(dir string) string { return filepath.Join(dir, "devices.bin") }

// readBook reads a directory's book; the zero value where there is none.
func readBook(dir string) (b deviceBook, err error) {
	text, err := os.ReadFile(bookPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err == nil && (b.First == 0 || b.Devices < 0 || b.Devices > ConnectionsMax) {
		err = fmt.Errorf("it names %d devices from user %d on", b.Devices, b.First)
	}
	if err != nil {
		return b, fmt.Errorf("%w: %s: %w", ErrInput, bookPath(dir), err)
	}
	return b, nil
}

// write puts the book into its directory.
func (b deviceBook) write(dir string) error {
	text, err := json.Marshal(b)
	if err == nil {
		err = os.WriteFile(bookPath(dir), append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	return nil
}

// appendDevice appends one record.
func appendDevice(dst []byte, d *device) []byte {
	dst = binary.BigEndian.AppendUint64(dst, d.incarnation)
	dst = binary.BigEndian.AppendUint64(dst, d.seen)
	dst = binary.BigEndian.AppendUint64(dst, d.ticked)
	dst = binary.BigEndian.AppendUint32(dst, d.epoch)
	dst = binary.BigEndian.AppendUint16(dst, d.gen)
	has := byte(0)
	if d.hasTicket {
		has = 1
	}
	dst = append(append(dst, has), d.psk[:]...)
	return append(dst, d.ticket[:]...)
}

// parseDevice reads one record; ok: somebody has written it.
func parseDevice(b []byte) (d device, ok bool) {
	d.incarnation = binary.BigEndian.Uint64(b)
	d.seen = binary.BigEndian.Uint64(b[8:])
	d.ticked = binary.BigEndian.Uint64(b[16:])
	d.epoch = binary.BigEndian.Uint32(b[24:])
	d.gen = binary.BigEndian.Uint16(b[28:])
	d.hasTicket = b[30] == 1
	copy(d.psk[:], b[31:])
	copy(d.ticket[:], b[63:])
	return d, d.gen != 0
}

// saveDevices writes the devices numbered from..to-1 to their places; one that is missing is a record of zeros.
func saveDevices(dir string, from, to int, devices map[uint32]device) error {
	f, err := os.OpenFile(devicesPath(dir), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	var b []byte
	for i := from; i < to && err == nil; i += devicesChunk {
		b = b[:0]
		for j := i; j < min(i+devicesChunk, to); j++ {
			d := devices[uint32(j)]
			b = appendDevice(b, &d)
		}
		_, err = f.WriteAt(b, int64(i)*deviceBytes)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	return nil
}

// loadDevices reads the devices numbered from..to-1. Their epochs rise by a lot: a run that was interrupted has not written its own.
func loadDevices(dir string, from, to int) (map[uint32]device, error) {
	devices := make(map[uint32]device, max(to-from, 0))
	f, err := os.Open(devicesPath(dir))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	defer f.Close()
	b := make([]byte, devicesChunk*deviceBytes)
	for i := from; i < to; i += devicesChunk {
		b = b[:min(devicesChunk, to-i)*deviceBytes]
		if _, err := f.ReadAt(b, int64(i)*deviceBytes); err != nil {
			return nil, fmt.Errorf("%w: %s: devices %d and up: %w", ErrGenerator, f.Name(), i, err)
		}
		for j, r := i, bytes.NewBuffer(b); r.Len() > 0; j++ {
			if d, ok := parseDevice(r.Next(deviceBytes)); ok {
				d.epoch += deviceEpochLeap
				devices[uint32(j)] = d
			}
		}
	}
	return devices, nil
}

// deviceEpochLeap is above the connections that one device makes in one run.
const deviceEpochLeap = 1 << 10
