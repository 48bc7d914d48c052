package secure

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"trunkline/codec"
)

// The vectors let somebody check a client in another language byte by byte: every private key and every random byte that went in
// stands in the file. -update rewrites them, and those that docs/protocol.md shows; a person reads the difference.
var update = flag.Bool("update", false, "rewrite testdata and the vectors of docs/protocol.md")

const documentPath = "../../docs/protocol.md"

// vector is one named value of a file.
type vector struct{ name, value string }

// vectors is one file.
type vectors struct {
	file    string
	comment string
	rows    []vector
}

func (v *vectors) text(name, value string) { v.rows = append(v.rows, vector{name, value}) }

func (v *vectors) bytes(name string, b []byte) { v.text(name, hex.EncodeToString(b)) }

func (v *vectors) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", v.comment)
	for _, row := range v.rows {
		fmt.Fprintf(&b, "%s = %s\n", row.name, row.value)
	}
	return b.String()
}

// numbered is a key of 32 bytes that count up.
func numbered(from byte) (k [32]byte) {
	for i := range k {
		k[i] = from + byte(i)
	}
	return k
}

// Keys and frames of the vectors.
var (
	vectorServer   = PrivateKey(numbered(0x10))
	vectorDevice   = PrivateKey(numbered(0x40))
	vectorClientE  = numbered(0x70)
	vectorServerE  = numbered(0xA0)
	vectorPSK      = numbered(0xD0)
	vectorTicket   = Ticket{User: 1001, Device: 0, Gen: 7, Issued: 1_700_000_000, Expires: 1_700_604_800, PSK: vectorPSK}
	vectorOperator = numbered(0x01)
)

// vectorHello is the HELLO that docs/protocol.md takes apart.
func vectorHello(t *testing.T) []byte {
	t.Helper()
	b, err := codec.AppendHello(nil, &codec.Hello{
		Version: 1, User: 1001, Gen: 7, Incarnation: 0x8F3A5C71D2E4B609, DownSeq: 1<<40 + 5, Ticked: 12, Epoch: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func allVectors(t *testing.T) []*vectors {
	t.Helper()
	return []*vectors{contactVectors(t), ticketVectors(t), resumeVectors(t), signedVectors(t)}
}

func contactVectors(t *testing.T) *vectors {
	v := &vectors{file: "contact.txt", comment: "A first contact: Noise_IK_25519_ChaChaPoly_SHA256. Ephemeral keys are what the source of randomness gave."}
	static, device := vectorServer.Public(), vectorDevice.Public()
	v.bytes("server_static_private", vectorServer[:])
	v.bytes("server_static_public", static[:])
	v.bytes("device_static_private", vectorDevice[:])
	v.bytes("device_static_public", device[:])
	v.bytes("client_ephemeral_private", vectorClientE[:])
	v.bytes("server_ephemeral_private", vectorServerE[:])
	i, flight, err := StartContact(&vectorDevice, &static, bytes.NewReader(vectorClientE[:]))
	if err != nil {
		t.Fatal(err)
	}
	v.bytes("prologue", appendPrologue(nil, flight[:HeadBytes]))
	v.bytes("contact_flight", flight)
	r, err := NewResponder(&vectorServer, bytes.NewReader(vectorServerE[:]))
	if err != nil {
		t.Fatal(err)
	}
	reply, _, server, err := r.Contact(nil, flight)
	if err != nil {
		t.Fatal(err)
	}
	v.bytes("accepted_flight", reply)
	client := finish(t, i, reply)
	v.records(t, &client, &server)
	return v
}

// records adds the keys, three records of the client and two of the server.
func (v *vectors) records(t *testing.T, client, server *Link) {
	t.Helper()
	v.bytes("client_to_server_key", client.sealKey[:])
	v.bytes("server_to_client_key", server.sealKey[:])
	hello, ping := string(vectorHello(t)), string(codec.AppendPing(nil))
	v.bytes("client_record_0_plaintext", []byte(hello))
	v.bytes("client_record_0", seal(t, client, nil, hello))
	v.bytes("client_record_1_plaintext", nil)
	v.bytes("client_record_1", seal(t, client, nil, ""))
	v.bytes("client_record_2_plaintext", []byte(ping+ping))
	v.bytes("client_record_2", seal(t, client, nil, ping+ping))
	v.bytes("server_record_0_plaintext", []byte(ping))
	v.bytes("server_record_0", seal(t, server, nil, ping))
	v.bytes("server_record_1_plaintext", []byte(ping))
	v.bytes("server_record_1", seal(t, server, nil, ping))
}

func vectorKeys() TicketKeys {
	return TicketKeys{Current: TicketKey{ID: 7, Secret: numbered(0x33), Created: 1_700_000_000}}
}

func vectorSealed(t *testing.T) (nonce, sealed []byte) {
	t.Helper()
	device := vectorDevice.Public()
	ticket := vectorTicket
	ticket.Key = KeyName(&device)
	nonce = []byte("twelve bytes")
	keys := vectorKeys()
	sealed, err := keys.Seal(nil, &ticket, bytes.NewReader(nonce))
	if err != nil {
		t.Fatal(err)
	}
	return nonce, sealed
}

func ticketVectors(t *testing.T) *vectors {
	v := &vectors{file: "ticket.txt", comment: "A sealed ticket. Clients never look inside; servers that share their keys do."}
	keys := vectorKeys()
	nonce, sealed := vectorSealed(t)
	ticket, err := keys.Open(sealed)
	if err != nil {
		t.Fatal(err)
	}
	var plain [ticketPlainBytes]byte
	ticket.put(&plain)
	v.bytes("ticket_key", keys.Current.Secret[:])
	v.text("ticket_key_id", fmt.Sprint(keys.Current.ID))
	v.bytes("nonce", nonce)
	v.bytes("plaintext", plain[:])
	v.bytes("sealed", sealed)
	return v
}

func resumeVectors(t *testing.T) *vectors {
	v := &vectors{file: "resume.txt", comment: "A resume with a HELLO as early data: Noise_NNpsk0_25519_ChaChaPoly_SHA256, with the ticket of ticket.txt."}
	_, sealed := vectorSealed(t)
	v.bytes("psk", vectorPSK[:])
	v.bytes("client_ephemeral_private", vectorClientE[:])
	v.bytes("server_ephemeral_private", vectorServerE[:])
	early := vectorHello(t)
	i, flight, err := StartResume(sealed, &vectorPSK, early, bytes.NewReader(vectorClientE[:]))
	if err != nil {
		t.Fatal(err)
	}
	v.bytes("prologue", appendPrologue(nil, flight[:resumeBodyAt]))
	v.bytes("early_data", early)
	v.bytes("resume_flight", flight)
	r, err := NewResponder(&vectorServer, bytes.NewReader(vectorServerE[:]))
	if err != nil {
		t.Fatal(err)
	}
	reply, server, at, err := r.Resume(nil, bytes.Clone(flight), &vectorPSK)
	if err != nil || at != earlyAt {
		t.Fatal(err)
	}
	v.bytes("accepted_flight", reply)
	client := finish(t, i, reply)
	v.records(t, &client, &server)
	return v
}

func signedVectors(t *testing.T) *vectors {
	v := &vectors{file: "signed.txt", comment: "What the operator or a primary device signs, and the texts that people copy."}
	operator, public := signerOf(vectorOperator)
	static, device := vectorServer.Public(), vectorDevice.Public()
	c := SignCertificate(operator, &static, 1_700_000_000, 1_731_536_000)
	v.bytes("signer_seed", vectorOperator[:])
	v.bytes("signer_public", public)
	v.bytes("certificate", c.Append(nil))
	v.bytes("certificate_flight", AppendCertificate(nil, &c))
	v.bytes("refusal_flight", AppendRefusal(nil, 103, 3_000))
	v.text("server_key", ServerKey{Static: static, Operator: [32]byte(public)}.String())
	v.text("server_key_without_operator", ServerKey{Static: static}.String())
	token := Token{Kind: TokenOperator, User: 1001, NotAfter: 1_700_086_400, ID: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}}
	b := SignToken(operator, &token)
	v.bytes("operator_token", b)
	v.text("operator_token_text", TokenText(b))
	token.AnyDevice = true
	v.text("operator_token_for_any_device_text", TokenText(SignToken(operator, &token)))
	token = Token{Kind: TokenLink, User: 1001, Device: 3, NotAfter: 1_700_086_400, ID: token.ID, Key: device}
	b = SignToken(operator, &token)
	v.bytes("link_token", b)
	v.text("link_token_text", TokenText(b))
	v.text("link_request", LinkRequest{User: 1001, Device: 3, Static: device}.String())
	name := KeyName(&device)
	v.bytes("device_key_name", name[:])
	return v
}

func TestVectors(t *testing.T) {
	for _, v := range allVectors(t) {
		path := filepath.Join("testdata", v.file)
		if *update {
			if err := os.WriteFile(path, []byte(v.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		wantLines := strings.Split(string(want), "\n")
		for i, line := range strings.Split(v.String(), "\n") {
			if i >= len(wantLines) || line != wantLines[i] {
				t.Fatalf("%s, line %d: made %s", path, i+1, line)
			}
		}
		if v.String() != string(want) {
			t.Errorf("%s has more lines than are made", path)
		}
	}
}

// shownVector is a line of the document: a file, a name and a value.
var shownVector = regexp.MustCompile(`^(\w+\.txt) (\w+) = (.*)$`)

func TestTheDocumentShowsTheVectors(t *testing.T) {
	all := map[string]string{}
	for _, v := range allVectors(t) {
		for _, row := range v.rows {
			all[v.file+" "+row.name] = row.value
		}
	}
	document, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(document), "\n")
	shown := 0
	for i, line := range lines {
		m := shownVector.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		shown++
		want, ok := all[m[1]+" "+m[2]]
		if !ok {
			t.Errorf("line %d: there is no vector %s in %s", i+1, m[2], m[1])
		} else if *update {
			lines[i] = m[1] + " " + m[2] + " = " + want
		} else if m[3] != want {
			t.Errorf("line %d: the document shows\n%s\nthe vector is\n%s", i+1, m[3], want)
		}
	}
	if shown != 25 {
		t.Errorf("the document shows %d vectors", shown)
	}
	if *update {
		if err := os.WriteFile(documentPath, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
