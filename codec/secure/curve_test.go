package secure

import (
	"bytes"
	"io"
	"testing"

	"github.com/flynn/noise"
)

// lowOrder are the points whose product with any key is zero, as RFC 7748 implementations meet them.
var lowOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

// claimed draws true keys and names another public one.
type claimed struct {
	noise.DHFunc
	public []byte
}

func (c claimed) GenerateKeypair(random io.Reader) (noise.DHKey, error) {
	k, err := c.DHFunc.GenerateKeypair(random)
	k.Public = c.public
	return k, err
}

func TestKeysOfLowOrderAreRefused(t *testing.T) {
	r := newRig(t)
	sealed, psk := r.ticket(t)
	for _, text := range lowOrder {
		point := fromHex(t, text)
		_, _, err := StartContact(&r.device, (*PublicKey)(point), nil)
		wantErr(t, "a server key "+text, err, ErrHandshake)

		peer := foreign{curve: claimed{noise.DH25519, point}, static: r.device}
		_, flight := peer.contact(t, r.static, contactHead())
		_, _, _, err = r.responder.Contact(nil, flight)
		wantErr(t, "a contact's ephemeral key "+text, err, ErrHandshake)

		_, flight = peer.resume(t, sealed, psk, nil)
		_, link, _, err := r.responder.Resume(nil, flight, &psk)
		wantErr(t, "a resume's ephemeral key "+text, err, ErrHandshake)

		peer = foreign{curve: noise.DH25519, static: r.device, claim: point}
		_, flight = peer.contact(t, r.static, contactHead())
		_, _, _, err = r.responder.Contact(nil, flight)
		wantErr(t, "a device key "+text, err, ErrHandshake)
		if link.Keyed() {
			t.Errorf("%s: keys came out", text)
		}
	}
}

// What the curve remembers must not change what it computes.
func TestTheCurveThatRemembersComputesWhatTheLibrarysDoes(t *testing.T) {
	var c curve
	static, err := c.setStatic(&PrivateKey{7})
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.GenerateKeypair(source(nil))
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.GenerateKeypair(source(nil))
	if err != nil {
		t.Fatal(err)
	}
	peer, err := noise.DH25519.GenerateKeypair(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, private := range map[string][]byte{
		"the static key": static.Private, "an ephemeral key that was replaced": first.Private, "the ephemeral key": second.Private,
		"a copy of the static key": bytes.Clone(static.Private), "a foreign key": bytes.Repeat([]byte{5}, 32),
	} {
		got, err := c.DH(private, peer.Public)
		want, wantErr := noise.DH25519.DH(private, peer.Public)
		if err != nil || wantErr != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x; %v, %v", name, got, want, err, wantErr)
		}
	}
	for _, k := range []noise.DHKey{static, first, second} {
		if p := (*PrivateKey)(k.Private); p.Public() != PublicKey(k.Public) {
			t.Errorf("public key %x, want %x", k.Public, p.Public())
		}
	}
	if _, err := c.DH(static.Private, make([]byte, 31)); err == nil {
		t.Error("a public key of 31 bytes was taken")
	}
	if _, err := c.DH(make([]byte, 31), peer.Public); err == nil {
		t.Error("a private key of 31 bytes was taken")
	}
}
