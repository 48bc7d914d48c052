package secure

import (
	"bytes"
	"testing"
)

// FuzzPlain feeds sealed records in arbitrary cuts and takes them in arbitrary pieces, with a move to another loop now and then.
// What comes out is what was sealed; with one bit flipped it is what was sealed before the damaged record, and nothing behind it.
func FuzzPlain(f *testing.F) {
	f.Add([]byte{5, 0, 60, 1, 0}, []byte{1, 2, 3}, []byte{1}, uint16(0), false)
	f.Add([]byte{0, 0, 200, 255}, []byte{255}, []byte{255}, uint16(0), false)
	f.Add([]byte{7, 9, 11}, []byte{40, 1}, []byte{3, 0, 2}, uint16(8*26), true)
	f.Add([]byte{3}, []byte{200}, []byte{200}, uint16(1), true)
	f.Fuzz(func(t *testing.T, sizes, cuts, takes []byte, bit uint16, damage bool) {
		client, server := linkPair()
		var want, stream []byte
		intact := -1 // plaintext before the damaged record
		damaged := -1
		for i, n := range sizes[:min(len(sizes), 64)] {
			plain := bytes.Repeat([]byte{byte(i + 1)}, int(n))
			start := len(stream)
			stream = seal(t, &client, stream, string(plain))
			if at := int(bit) / 8; damage && at >= start && at < len(stream) {
				damaged, intact = at, len(want)
			}
			want = append(want, plain...)
		}
		if damaged >= 0 {
			stream[damaged] ^= 1 << (bit % 8)
		}
		got, err := feed(t, &server, stream, cuts, takes)
		switch {
		case damaged < 0 && (err != nil || !bytes.Equal(got, want)):
			t.Fatalf("%d bytes of %d, %v", len(got), len(want), err)
		case damaged >= 0 && (err != nil && err != ErrRecord || !bytes.Equal(got, want[:intact])):
			t.Fatalf("%d bytes of %d before the damage, %v", len(got), intact, err)
		}
	})
}

// feed hands a stream to a link in cuts, takes pieces of what it gives, and checks the promises of each call.
func feed(t *testing.T, k *Link, stream, cuts, takes []byte) (got []byte, err error) {
	var input []byte
	for step := 0; len(stream) > 0; step++ {
		n := min(len(stream), 1+pick(cuts, step))
		input = append(input, stream[:n]...)
		stream = stream[n:]
		if step%3 == 1 {
			if *k, err = ParseLink(k.Append(nil)); err != nil {
				t.Fatal(err)
			}
		}
		if step%2 == 1 {
			before := bytes.Clone(input)
			if ok, err := k.Confirm(input); err != nil {
				return got, err
			} else if ok != k.Confirmed() || !bytes.Equal(before, input) {
				t.Fatalf("Confirm says %v and changed the input: %v", ok, !bytes.Equal(before, input))
			}
		}
		for turn := 0; ; turn++ {
			plain, at, err := k.Plain(input)
			if err != nil {
				return got, err
			}
			if len(plain) == 0 {
				input = input[at:]
				break
			}
			take := min(len(plain), pick(takes, turn))
			if turn%2 == 1 {
				take = len(plain) // so that it ends
			}
			got = append(got, plain[:take]...)
			input = input[at+take+k.Consume(take):]
		}
	}
	return got, nil
}

func pick(b []byte, i int) int {
	if len(b) == 0 {
		return 255
	}
	return int(b[i%len(b)])
}

func FuzzFlight(f *testing.F) {
	r := newRig(f)
	_, contact := r.startContact(f)
	_, resume, _ := r.startResume(f, []byte("early"))
	f.Add(contact)
	f.Add(resume)
	f.Add(AppendRefusal(nil, 103, 9))
	f.Add(AppendCertificate(nil, &Certificate{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok, err := ParseHead(b)
		for n := range min(len(b), HeadBytes) { // a head is refused in the same way once it is, and never taken back
			if _, early, earlyErr := ParseHead(b[:n]); early || earlyErr != nil && earlyErr != err {
				t.Fatalf("after %d bytes %v, %v; whole %v", n, early, earlyErr, err)
			}
		}
		if ok && (err != nil || !bytes.Equal(AppendHead(nil, h), b[:HeadBytes]) || HeadBytes+int(h.Length) > FlightBytesMax) {
			t.Fatalf("%+v from %x, %v", h, b[:HeadBytes], err)
		}
		reply, used, err := ParseReply(b)
		if used < 0 || used > min(len(b), HeadBytes+CertificateBytes) || used != 0 && err != nil || len(reply.Body) > used {
			t.Fatalf("%+v, used %d of %d, %v", reply, used, len(b), err)
		}
		dst := []byte("before")
		if out, _, link, err := r.responder.Contact(dst, b); err != nil && (string(out) != "before" || link.Keyed()) {
			t.Fatal("a refused contact left something behind")
		}
		if out, link, _, err := r.responder.Resume(dst, bytes.Clone(b), &[32]byte{9, 8, 7}); err != nil && (string(out) != "before" || link.Keyed()) {
			t.Fatal("a refused resume left something behind")
		}
		if ticket := FlightTicket(b); ticket != nil {
			if _, err := r.keys.Open(ticket); err != nil && err != ErrTicket {
				t.Fatal(err)
			}
		}
	})
}

func FuzzLinkBytes(f *testing.F) {
	client, _ := linkPair()
	f.Add(client.Append(nil))
	f.Add(make([]byte, LinkBytes))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := ParseLink(b); err == nil && !bytes.Equal(k.Append(nil), b) {
			t.Fatalf("%x is written as %x", b, k.Append(nil))
		}
	})
}

func FuzzSigned(f *testing.F) {
	operator, public := signer(1)
	f.Add(SignToken(operator, &operatorToken))
	f.Add(SignToken(operator, &linkToken))
	c := SignCertificate(operator, &PublicKey{5}, 1, 2)
	f.Add(c.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if token, err := ParseToken(b); err == nil {
			again := SignToken(operator, &token)
			if signed := len(b) - 64; len(again) != len(b) || !bytes.Equal(again[:signed], b[:signed]) {
				t.Fatalf("%x is written as %x", b, again)
			}
			if back, err := ParseTokenText(TokenText(b)); err != nil || !bytes.Equal(back, b) {
				t.Fatalf("%x has the text %s, %v", b, TokenText(b), err)
			}
			_, _ = VerifyToken(b, public, 0)
		}
		if c, err := ParseCertificate(b); err == nil && !bytes.Equal(c.Append(nil), b) {
			t.Fatalf("%x is written as %x", b, c.Append(nil))
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add(ServerKey{Static: PublicKey{1}}.String())
	f.Add(LinkRequest{User: 1, Static: PublicKey{1}}.String())
	operator, _ := signer(1)
	f.Add(TokenText(SignToken(operator, &operatorToken)))
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := ParseServerKey(s); err == nil && k.String() != s {
			t.Fatalf("%q is written as %q", s, k)
		}
		if r, err := ParseLinkRequest(s); err == nil && r.String() != s {
			t.Fatalf("%q is written as %q", s, r)
		}
		if b, err := ParseTokenText(s); err == nil && TokenText(b) != s {
			t.Fatalf("%q is written as %q", s, TokenText(b))
		}
	})
}
