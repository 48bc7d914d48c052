package secure

import (
	"testing"
)

// linkPair is both ends of a connection with keys that no handshake made.
func linkPair() (client, server Link) {
	for i := range client.sealKey {
		client.sealKey[i], client.openKey[i] = byte(i+1), byte(200-i)
	}
	return client, Link{sealKey: client.openKey, openKey: client.sealKey}
}

// One record each way of the same size: what a message of 60 bytes costs, alone and with fifteen others.
func BenchmarkRecord(b *testing.B) {
	for _, c := range []struct {
		name   string
		frames int
	}{{"1x60", 1}, {"16x60", 16}} {
		b.Run(c.name, func(b *testing.B) {
			client, server := linkPair()
			frames := make([]byte, 60*c.frames)
			buf := make([]byte, 0, len(frames)+RecordOverhead)
			b.ReportAllocs()
			for b.Loop() {
				record, err := client.Seal(buf, frames)
				if err != nil {
					b.Fatal(err)
				}
				plain, _, err := server.Plain(record)
				if err != nil {
					b.Fatal(err)
				}
				server.Consume(len(plain))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.frames), "ns/frame")
		})
	}
}

func BenchmarkContactResponder(b *testing.B) {
	server, device := PrivateKey{1: 1}, PrivateKey{1: 2}
	public := server.Public()
	r, err := NewResponder(&server, nil)
	if err != nil {
		b.Fatal(err)
	}
	_, flight, err := StartContact(&device, &public, nil)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := r.Contact(buf, flight); err != nil {
			b.Fatal(err)
		}
	}
}

// With its ticket opened and a HELLO as early data, as a phone comes back.
func BenchmarkResumeResponder(b *testing.B) {
	server := PrivateKey{1: 1}
	r, err := NewResponder(&server, nil)
	if err != nil {
		b.Fatal(err)
	}
	var keys TicketKeys
	if err := keys.Rotate(0, nil); err != nil {
		b.Fatal(err)
	}
	sealed, err := keys.Seal(nil, &Ticket{PSK: [32]byte{3}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	_, flight, err := StartResume(sealed, &[32]byte{3}, make([]byte, 47), nil)
	if err != nil {
		b.Fatal(err)
	}
	buf, again := make([]byte, 0, 128), make([]byte, len(flight))
	b.ReportAllocs()
	for b.Loop() {
		copy(again, flight)
		t, err := keys.Open(FlightTicket(again))
		if err != nil {
			b.Fatal(err)
		}
		if _, _, _, err := r.Resume(buf, again, &t.PSK); err != nil {
			b.Fatal(err)
		}
	}
}
