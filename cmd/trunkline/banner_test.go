package main

import (
	"strings"
	"testing"

	"trunkline/server"
)

func TestTheBannerOfAPlainServerSaysLoudlyThatNothingIsEncrypted(t *testing.T) {
	s := serve(t, "--max-connections", "123")
	for _, want := range []string{
		"chat    127.0.0.1:", "admin   http://127.0.0.1:", "limits  123 connections; the descriptor limit is ", " and allows ",
		"WARNING: NOT ENCRYPTED. With --transport=plain whoever is on the path reads and changes everything", "anybody can log in as anybody",
		"trunkline chat --user 1001 --to 1002 --plain --server " + s.addr, "trunkline chat --user 1002 --to 1001 --plain --server " + s.addr,
		"lost when this process ends", "data    none kept",
	} {
		if !strings.Contains(s.out.String(), want) {
			t.Errorf("the banner lacks %q:\n%s", want, s.out)
		}
	}
	if strings.Contains(s.out.String(), "tlk1") {
		t.Errorf("a plain server shows a key:\n%s", s.out)
	}
}

// testBanner is the banner of an encrypted server.
func testBanner(t *testing.T, set func(*banner)) (b banner, text string) {
	t.Helper()
	k, err := server.NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := dataFolder()
	if err != nil {
		t.Fatal(err)
	}
	b = banner{cfg: server.DefaultConfig(), addr: server.ListenDefault, key: k.ServerKey(), canSign: true, program: "trunkline"}
	b.cfg.Transport, b.cfg.Registration, b.cfg.Data = server.TransportNoise, server.RegistrationToken, dir
	if set != nil {
		set(&b)
	}
	var out strings.Builder
	b.print(&out)
	return b, out.String()
}

func TestTheBannerOfAnEncryptedServerHasTheKeyAndTheCommandsThatUseIt(t *testing.T) {
	for _, row := range []struct {
		name  string
		set   func(*banner)
		wants []string // KEY stands for the server key
		not   []string
	}{
		{"tokens on this machine", nil, []string{
			"  key     KEY\n", "(here, on this machine):\n  trunkline token --user 1001\n",
			"  trunkline register --user 1001 --token $(trunkline token --user 1001) --server-key KEY\n  trunkline chat --user 1001 --to 1002\n",
			"  trunkline register --user 1002 --token $(trunkline token --user 1002) --server-key KEY\n  trunkline chat --user 1002 --to 1001\n",
		}, []string{"WARNING", "--plain", "in memory only"}},
		{"another address, and data in another place", func(b *banner) { b.addr, b.cfg.Data = "0.0.0.0:7000", "/srv/my chat" }, []string{
			"trunkline token --user 1001 --keys '/srv/my chat/keys'\n",
			"--token $(trunkline token --user 1001 --keys '/srv/my chat/keys') --server 127.0.0.1:7000 --server-key KEY\n",
			"trunkline chat --user 1001 --to 1002 --server 127.0.0.1:7000\n",
		}, []string{"WARNING"}},
		{"the operator's key elsewhere", func(b *banner) { b.canSign = false }, []string{
			"(where the operator's private key is kept: not here):\n  trunkline token --user 1001 --keys DIRECTORY\n",
		}, []string{"WARNING"}},
		{"open to anybody", func(b *banner) { b.cfg.Registration = server.RegistrationOpen }, []string{
			"  key     KEY\n", "WARNING: --registration=open: whoever comes first with a user's number has it",
			"  trunkline chat --user 1001 --to 1002 --server-key KEY\n",
		}, []string{"NOT ENCRYPTED", "register", "trunkline token"}},
		{"a certificate that ends soon", func(b *banner) { b.endsSoon, b.cfg.Data = true, "/srv" }, []string{
			"WARNING: its certificate ends soon; renew it with: trunkline keys rotate certificate --keys /srv/keys\n",
		}, []string{"NOT ENCRYPTED"}},
		{"keys that live in memory", func(b *banner) { b.cfg.Registration, b.cfg.Data = server.RegistrationOpen, "" }, []string{
			"in memory only: clients must pin another key after the next start",
		}, []string{"NOT ENCRYPTED"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b, text := testBanner(t, row.set)
			for _, want := range row.wants {
				if want = strings.ReplaceAll(want, "KEY", b.key.String()); !strings.Contains(text, want) {
					t.Errorf("lacks %q:\n%s", want, text)
				}
			}
			for _, not := range row.not {
				if strings.Contains(text, not) {
					t.Errorf("has %q:\n%s", not, text)
				}
			}
			if !strings.HasSuffix(text, "Ctrl-C drains and ends.\n\n") {
				t.Errorf("ends otherwise:\n%s", text)
			}
		})
	}
}

func TestTheBannerCallsTheProgramAsItWasCalled(t *testing.T) {
	for arg0, want := range map[string]string{
		"bin/trunkline": "bin/trunkline", "trunkline": "trunkline", "": "trunkline", "/my tools/trunkline": `"/my tools/trunkline"`,
	} {
		if got := called(arg0); got != want {
			t.Errorf("called as %q: got %s, want %s", arg0, got, want)
		}
	}
}
