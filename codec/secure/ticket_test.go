package secure

import (
	"bytes"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

var someTicket = Ticket{
	User: 999_999_999_999_999_999, Device: 255, Gen: 65_535, Issued: 1_700_000_000, Expires: 1<<32 - 1,
	PSK: [32]byte{1, 31: 2}, Key: [8]byte{3, 7: 4},
}

func sealedTicket(t *testing.T, keys *TicketKeys) []byte {
	t.Helper()
	sealed, err := keys.Seal([]byte("before"), &someTicket, nil)
	if err != nil || len(sealed) != 6+TicketBytes {
		t.Fatalf("%d bytes, %v", len(sealed), err)
	}
	return sealed[6:]
}

func rotated(t *testing.T, keys *TicketKeys, times int) {
	t.Helper()
	for range times {
		if err := keys.Rotate(int64(times), nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestATicketComesBackWhole(t *testing.T) {
	var keys TicketKeys
	rotated(t, &keys, 1)
	sealed := sealedTicket(t, &keys)
	if got, err := keys.Open(sealed); err != nil || got != someTicket {
		t.Errorf("%+v, %v", got, err)
	}
	if again := sealedTicket(t, &keys); bytes.Equal(again[1:13], sealed[1:13]) {
		t.Error("two tickets have the same nonce")
	}
	if bytes.Contains(sealed, someTicket.PSK[:8]) {
		t.Error("the secret lies open")
	}
}

func TestForgedTicketsAreRefused(t *testing.T) {
	var keys, foreign TicketKeys
	rotated(t, &keys, 2)
	rotated(t, &foreign, 2) // the same ids, other secrets
	sealed := sealedTicket(t, &keys)
	for bit := range 8 * len(sealed) {
		if _, err := keys.Open(flip(sealed, bit)); err != ErrTicket {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "90 bytes": sealed[:90], "92 bytes": append(bytes.Clone(sealed), 0), "zeros": make([]byte, TicketBytes),
		"a ticket of another server":   sealedTicket(t, &foreign),
		"the other key of this server": append([]byte{keys.Previous.ID}, sealed[1:]...),
	} {
		if got, err := keys.Open(b); err != ErrTicket || got != (Ticket{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestATicketOutlivesOneRotation(t *testing.T) {
	var keys TicketKeys
	rotated(t, &keys, 1)
	sealed := sealedTicket(t, &keys)
	rotated(t, &keys, 1)
	if got, err := keys.Open(sealed); err != nil || got != someTicket {
		t.Errorf("after one rotation: %v", err)
	}
	rotated(t, &keys, 1)
	_, err := keys.Open(sealed)
	wantErr(t, "after two rotations", err, ErrTicket)
}

func TestTicketKeysAreNumberedAround(t *testing.T) {
	var keys TicketKeys
	rotated(t, &keys, 1)
	first := sealedTicket(t, &keys)
	if keys.Current.ID != 1 || keys.Previous.ID != 0 {
		t.Fatalf("ids %d and %d", keys.Current.ID, keys.Previous.ID)
	}
	rotated(t, &keys, 254)
	if keys.Current.ID != 255 || keys.Previous.ID != 254 || keys.Current.Created != 254 {
		t.Fatalf("ids %d and %d", keys.Current.ID, keys.Previous.ID)
	}
	rotated(t, &keys, 1)
	if keys.Current.ID != 1 || keys.Previous.ID != 255 {
		t.Fatalf("ids %d and %d", keys.Current.ID, keys.Previous.ID)
	}
	_, err := keys.Open(first)
	wantErr(t, "a ticket of the key that had this id before", err, ErrTicket)
}

func TestWithoutAKeyOrRandomnessNoTicketIsMade(t *testing.T) {
	var keys TicketKeys
	out, err := keys.Seal([]byte("before"), &someTicket, nil)
	wantErr(t, "sealing without a key", err, ErrTicket)
	if string(out) != "before" {
		t.Errorf("dst is %q", out)
	}
	rotated(t, &keys, 1)
	before := keys
	wantErr(t, "rotating without randomness", keys.Rotate(9, noRandom{}), errDry)
	if keys != before {
		t.Error("a rotation that did not happen changed the keys")
	}
	out, err = keys.Seal([]byte("before"), &someTicket, noRandom{})
	wantErr(t, "sealing without randomness", err, errDry)
	if string(out) != "before" {
		t.Errorf("dst is %q", out)
	}
}

// Bytes that this version leaves zero may mean something later.
func TestATicketOfALaterLayoutIsRefused(t *testing.T) {
	var keys TicketKeys
	rotated(t, &keys, 1)
	aead, err := chacha20poly1305.New(keys.Current.Secret[:])
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{9, 60, 61} {
		var plain [62]byte
		someTicket.put(&plain)
		plain[at] = 1
		head := make([]byte, 13)
		head[0] = keys.Current.ID
		_, err := keys.Open(aead.Seal(head, head[1:13], plain[:], head[:1]))
		wantErr(t, "a byte that must be zero", err, ErrTicket)
	}
}

func TestKeyNameIsTheStartOfTheHash(t *testing.T) {
	// SHA-256 of 32 zero bytes.
	if got := KeyName(&PublicKey{}); !bytes.Equal(got[:], fromHex(t, "66687aadf862bd77")) {
		t.Errorf("%x", got)
	}
}
