package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"trunkline/codec/secure"
	"trunkline/server"
)

// banner is what serve prints at its start: what runs, within what limits, how safe that is, and what to try next.
type banner struct {
	cfg      server.Config
	limits   server.Limits
	durable  server.Durability
	allowed  int              // connections that the descriptor limit allows
	addr     string           // where clients connect
	admin    string           // where operators connect; "": nowhere
	key      secure.ServerKey // with the encrypted transport
	canSign  bool             // the operator's private key is where this server's keys are
	endsSoon bool             // the certificate
	gc       string           // how the collector is set, and why
	program  string           // this program, as it was called
}

// printBanner prints the banner of a server.
func printBanner(w io.Writer, srv *server.Server) {
	b := banner{cfg: srv.Config(), limits: srv.Limits(), durable: srv.Durability(), allowed: srv.ConnectionsAllowed(), addr: srv.Addr().String(),
		key: srv.ServerKey(), gc: srv.GCChoice().Reason, program: called(os.Args[0])}
	if admin := srv.AdminAddr(); admin != nil {
		b.admin = admin.String()
	}
	if dir := b.cfg.KeysDir(); dir != "" && b.cfg.Transport != server.TransportPlain {
		if k, err := server.OpenKeys(dir); err == nil { // the server has just read them: an error is hardly possible and no reason to stop
			b.canSign, b.endsSoon = k.CanSign(), k.Check(time.Now().Add(server.CertificateRenewal)) != nil
		}
	}
	b.print(w)
}

func (b *banner) print(w io.Writer) {
	fmt.Fprintf(w, "trunkline %s on %s/%s, %s\n\n", server.Version(), runtime.GOOS, runtime.GOARCH, count(b.cfg.Loops, "loop"))
	fmt.Fprintf(w, "  chat    %s\n", b.addr)
	if b.admin != "" {
		fmt.Fprintf(w, "  admin   http://%s/status, /metrics, /healthz, /debug/pprof/\n", b.admin)
	}
	fmt.Fprintf(w, "  limits  %s; the descriptor limit is %d%s and allows %d\n", count(b.limits.Connections, "connection"),
		b.limits.Descriptors, raisedFrom(b.limits), b.allowed)
	fmt.Fprintf(w, "          %d entries or %s for one device, %s for all, %s\n", b.limits.MailboxEntries,
		server.Bytes(b.limits.MailboxBytes), server.Bytes(b.limits.StoreBytes), count(b.limits.Users, "user"))
	fmt.Fprintf(w, "  garbage %s\n", b.gc)
	b.printDurable(w)
	if b.cfg.Transport == server.TransportPlain {
		b.printPlain(w)
	} else {
		b.printEncrypted(w)
	}
	fmt.Fprint(w, "Ctrl-C drains and ends.\n\n")
}

// printPlain says loudly what is missing.
func (b *banner) printPlain(w io.Writer) {
	fmt.Fprintf(w, "\n  WARNING: NOT ENCRYPTED. With --transport=%s whoever is on the path reads and changes everything,\n"+
		"           and anybody can log in as anybody. For trials and trusted networks only.\n\n", server.TransportPlain)
	fmt.Fprint(w, "Try it, in two other terminals:\n")
	b.printTwo(w, func(me, other int) string {
		return fmt.Sprintf("%s chat --user %d --to %d --plain%s", b.program, me, other, b.at())
	})
}

// printEncrypted prints what clients pin, and how a device comes to be known.
func (b *banner) printEncrypted(w io.Writer) {
	fmt.Fprintf(w, "  key     %s\n", b.key)
	if b.endsSoon {
		fmt.Fprintf(w, "          WARNING: its certificate ends soon; renew it with: %s keys rotate %s --keys %s\n", b.program, server.RotateCertificate, shellWord(b.cfg.KeysDir()))
	}
	if b.cfg.KeysDir() == "" {
		fmt.Fprint(w, "          in memory only: clients must pin another key after the next start (--data DIR or --keys DIR keeps it)\n")
	}
	if b.cfg.Registration == server.RegistrationOpen {
		fmt.Fprintf(w, "\n  WARNING: --registration=%s: whoever comes first with a user's number has it. For trials and trusted networks only.\n\n", server.RegistrationOpen)
		fmt.Fprint(w, "Try it, in two other terminals; the key is needed the first time only:\n")
		b.printTwo(w, func(me, other int) string {
			return fmt.Sprintf("%s chat --user %d --to %d%s --server-key %s", b.program, me, other, b.at(), b.key)
		})
		return
	}
	fmt.Fprintf(w, "\nA new device registers with a token, which the operator makes (%s):\n  %s\n", b.where(), b.token(1001))
	fmt.Fprint(w, "Try it, in two other terminals:\n")
	b.printTwo(w, func(me, other int) string {
		return fmt.Sprintf("%s register --user %d --token $(%s)%s --server-key %s\n  %s chat --user %d --to %d%s",
			b.program, me, b.token(me), b.at(), b.key, b.program, me, other, b.at())
	})
}

// printTwo prints the commands of two people who talk to each other.
func (b *banner) printTwo(w io.Writer, line func(me, other int) string) {
	fmt.Fprintf(w, "  %s\n  %s\n", line(1001, 1002), line(1002, 1001))
}

// at is the flag that names this server, where it is not the one that clients look for.
func (b *banner) at() string {
	if b.addr == server.ListenDefault {
		return ""
	}
	return " --server " + dialable(b.addr)
}

// where says where tokens are made.
func (b *banner) where() string {
	if b.canSign {
		return "here, on this machine"
	}
	return "where the operator's private key is kept: not here"
}

// token is the command that makes a token.
func (b *banner) token(user int) string {
	s := fmt.Sprintf("%s token --user %d", b.program, user)
	switch dir, err := keysDir(""); {
	case !b.canSign:
		return s + " --keys DIRECTORY"
	case err != nil || dir != b.cfg.KeysDir():
		return s + " --keys " + shellWord(b.cfg.KeysDir())
	}
	return s
}

// shellWord quotes a path where a shell would take it apart.
func shellWord(path string) string {
	if path != "" && !strings.ContainsAny(path, " \t\n'\"\\$&;()<>|*?`!#~[]{}") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
