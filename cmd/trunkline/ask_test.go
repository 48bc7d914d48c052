package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"trunkline/server"
)

// End-to-end tests of groups, devices and what users decide: every command is the program itself, over TCP on loopback, encrypted.

// said is a line of JSON of any of the commands.
type said struct {
	ID       uint64
	From     uint64
	To       uint64
	Own      bool
	Group    string
	GroupSeq uint64 `json:"group_seq"`
	Epoch    uint32
	Seq      uint64
	Subject  string
	Members  int
	Creator  uint64
	Text     string
	Tick     string
	Event    string
	By       uint64
	Users    []uint64
	User     uint64
	Role     string
	Refused  string
	Invite   string
	Left     bool
	Name     string
	About    string
	Done     string
	Device   uint8
	Signed   bool
	Verified bool
	Version  uint32 `json:"list_version"`
	Presence string
	LastSeen any `json:"last_seen"`
	Profile  string
	Deleted  bool
	Reported bool
	Removed  bool
}

// town is a server with registered users.
type town struct {
	t  *testing.T
	s  *serving
	at []string
}

func newTown(t *testing.T, users ...string) *town {
	t.Helper()
	w := &town{t: t}
	data := t.TempDir()
	w.s = serve(t, "--transport", server.TransportNoise, "--data", data)
	w.at = []string{"--trust-first", "--server", w.s.addr, "--state", t.TempDir(), "--timeout", "20s"}
	for _, u := range users {
		w.run("register", "--user", u)
	}
	return w
}

// raw runs a command: its name is one word or two, flags and words follow.
func (w *town) raw(args ...string) result {
	w.t.Helper()
	n := 1
	for n < len(args) && !strings.HasPrefix(args[n], "-") {
		n++
	}
	return runBinary(w.t, slices.Concat(args[:n], w.at, args[n:])...)
}

// run is raw for a command that must succeed, and reads its lines.
func (w *town) run(args ...string) []said {
	w.t.Helper()
	r := w.raw(args...)
	if r.code != exitOK || r.stderr != "" {
		w.t.Fatalf("%v: %+v", args, r)
	}
	return w.read(r.stdout)
}

func (w *town) read(out string) []said {
	w.t.Helper()
	var list []said
	for text := range strings.Lines(out) {
		var l said
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			w.t.Fatalf("%q: %v", text, err)
		}
		list = append(list, l)
	}
	return list
}

// recv takes so many messages, and the changes of groups that come with them.
func (w *town) recv(user string, count int, more ...string) (messages, changes []said) {
	w.t.Helper()
	for _, l := range w.run(append([]string{"recv", "--user", user, "--count", strconv.Itoa(count)}, more...)...) {
		if l.Event == "" {
			messages = append(messages, l)
		} else {
			changes = append(changes, l)
		}
	}
	return messages, changes
}

// refused is a command that must fail with one line.
func (w *town) refused(want string, args ...string) {
	w.t.Helper()
	r := w.raw(args...)
	r.stdout = "" // send says there how far its message came
	oneLineWith(w.t, r, exitFailed, want)
}

func TestAGroupOnTheCommandLine(t *testing.T) {
	w := newTown(t, "1", "2", "3", "4")
	made := w.run("group", "create", "--user", "1", "--json", "--subject", "lunch", "2", "3", "99")
	if len(made) != 2 || made[0].Members != 3 || made[0].Subject != "lunch" || made[0].Creator != 1 || made[1].User != 99 || made[1].Refused != "no_such_user" {
		t.Fatalf("created %+v", made)
	}
	g := made[0].Group
	if l := w.run("send", "--user", "1", "--group", g, "hello", "all"); len(l) != 1 || l[0].Group != g || l[0].Tick != "server" || l[0].To != 0 || l[0].GroupSeq != 2 {
		t.Errorf("sent %+v", l)
	}
	messages, changes := w.recv("2", 1, "--read")
	if m := messages[0]; m.Text != "hello all" || m.From != 1 || m.Group != g || m.GroupSeq != 2 || m.To != 0 {
		t.Errorf("received %+v", messages)
	}
	if len(changes) != 1 || changes[0].Event != "created" || !slices.Equal(changes[0].Users, []uint64{2, 3}) || changes[0].By != 1 || changes[0].Subject != "lunch" {
		t.Errorf("changes %+v", changes)
	}
	w.run("group", "subject", "--user", "1", "--json", "--group", g, "late", "lunch") // 2 does not know of it yet
	if l := w.run("send", "--user", "2", "--group", g, "from two"); l[0].Tick != "server" {
		t.Errorf("sent %+v", l)
	}
	messages, changes = w.recv("3", 2)
	if messages[0].Text != "hello all" || messages[1].Text != "from two" || messages[1].GroupSeq != 4 || len(changes) != 2 || changes[1].Subject != "late lunch" {
		t.Errorf("3 received %+v %+v", messages, changes)
	}
	ticks := map[uint64]string{}
	for _, r := range w.run("group", "receipts", "--user", "1", "--json", "--group", g, "--seq", "2") {
		ticks[r.User] = r.Tick
	}
	if ticks[2] != "read" || ticks[3] != "delivered" {
		t.Errorf("receipts %v", ticks)
	}
	invite := w.run("group", "invite", "--user", "1", "--json", "--group", g)[0].Invite
	if l := w.run("group", "join", "--user", "4", "--json", invite); l[0].Group != g || l[0].Members != 4 {
		t.Errorf("joined %+v", l)
	}
	w.run("group", "invite", "--user", "1", "--json", "--group", g, "--revoke")
	w.run("group", "leave", "--user", "4", "--json", "--group", g)
	w.refused("no such thing", "group", "join", "--user", "4", invite)
	w.refused("takes an admin", "group", "remove", "--user", "2", "--group", g, "3")
	w.run("group", "promote", "--user", "1", "--json", "--group", g, "2")
	w.run("group", "remove", "--user", "2", "--json", "--group", g, "3")
	w.run("group", "demote", "--user", "1", "--json", "--group", g, "2")
	w.refused("not a member", "send", "--user", "3", "--group", g, "still here")
	info := w.run("group", "info", "--user", "2", "--json", "--group", g)
	if len(info) != 3 || info[0].Members != 2 || info[1].User != 1 || info[1].Role != "admin" || info[2].Role != "member" {
		t.Errorf("info %+v", info)
	}
	if l := w.run("group", "list", "--user", "2", "--json"); len(l) != 1 || l[0].Group != g {
		t.Errorf("groups of 2: %+v", l)
	}
	if l := w.run("group", "list", "--user", "3", "--json"); len(l) != 0 {
		t.Errorf("groups of 3: %+v", l)
	}
}

func TestAGroupKeepsItsOrderWhenTheServerIsKilled(t *testing.T) {
	w := newTown(t, "1", "2", "3")
	g := w.run("group", "create", "--user", "1", "--json", "2", "3")[0].Group
	var want []string
	for i := range 6 {
		text := "m" + strconv.Itoa(i)
		w.run("send", "--user", strconv.Itoa(i%2+1), "--group", g, text)
		want = append(want, text)
	}
	w.s.signal(syscall.SIGKILL)
	<-w.s.exited
	data := w.s.cmd.Args[slices.Index(w.s.cmd.Args, server.TransportNoise)+2]
	w.s = serve(t, "--transport", server.TransportNoise, "--data", data, "--listen", w.s.addr)
	messages, changes := w.recv("3", len(want))
	var got []string
	for _, m := range messages {
		got = append(got, m.Text)
	}
	if !slices.Equal(got, want) || len(changes) != 1 {
		t.Errorf("received %v %+v, want %v", got, changes, want)
	}
	if l := w.run("send", "--user", "3", "--group", g, "after"); l[0].Tick != "server" {
		t.Errorf("sent %+v", l)
	}
	if messages, _ = w.recv("1", 4); messages[3].Text != "after" {
		t.Errorf("received %+v", messages)
	}
}

func TestASecondDeviceHasTheWholeConversation(t *testing.T) {
	w := newTown(t, "1", "2")
	request := strings.TrimSpace(w.link("request", "--user", "2", "--device", "5"))
	token := strings.TrimSpace(w.link("approve", "--user", "2", "--request", request))
	w.run("register", "--user", "2", "--device", "5", "--token", token)
	if l := w.run("send", "--user", "1", "--to", "2", "first alone"); l[0].Tick != "server" {
		t.Errorf("sent %+v", l)
	}
	l := w.run("device", "sign", "--user", "2", "--json", "5")
	if len(l) != 2 || !l[0].Signed || !l[1].Signed || l[1].Device != 5 || l[1].Version != 1 || !l[1].Verified {
		t.Fatalf("signed %+v", l)
	}
	w.run("send", "--user", "1", "--to", "2", "both")
	if m, _ := w.recv("2", 2); m[0].Text != "first alone" || m[1].Text != "both" {
		t.Errorf("the primary received %+v", m)
	}
	if m, _ := w.recv("2", 1, "--device", "5"); m[0].Text != "both" || m[0].Own {
		t.Errorf("the companion received %+v", m)
	}
	w.run("send", "--user", "2", "--device", "5", "--to", "1", "from the companion")
	if m, _ := w.recv("2", 1); m[0].Text != "from the companion" || !m[0].Own || m[0].To != 1 || m[0].From != 2 {
		t.Errorf("the primary sees %+v", m)
	}
	w.run("send", "--user", "2", "--to", "1", "from the primary")
	if m, _ := w.recv("2", 1, "--device", "5"); m[0].Text != "from the primary" || !m[0].Own || m[0].To != 1 {
		t.Errorf("the companion sees %+v", m)
	}
	if m, _ := w.recv("1", 2); m[0].Text != "from the companion" || m[1].Text != "from the primary" || m[1].Own {
		t.Errorf("1 received %+v", m)
	}
	if l := w.run("device", "list", "--user", "1", "--json", "--of", "2"); len(l) != 2 || !l[1].Verified || l[1].Version != 1 {
		t.Errorf("devices of 2 as 1 sees them: %+v", l)
	}
	w.refused("only the primary device", "device", "sign", "--user", "2", "--device", "5", "5")
	w.run("device", "remove", "--user", "2", "--json", "5")
	w.refused("code 7", "recv", "--user", "2", "--device", "5")
	w.run("send", "--user", "1", "--to", "2", "one is left")
	if m, _ := w.recv("2", 1); m[0].Text != "one is left" {
		t.Errorf("received %+v", m)
	}
	if l := w.run("device", "list", "--user", "2", "--json"); l[0].Version != 2 || !l[0].Signed {
		t.Errorf("devices of 2: %+v", l)
	}
}

// link is one half of linking, which needs no server.
func (w *town) link(half string, args ...string) string {
	w.t.Helper()
	r := runBinary(w.t, append([]string{"device", "link", half, "--server", w.s.addr, "--state", w.at[4]}, args...)...)
	if r.code != exitOK {
		w.t.Fatalf("link %s: %+v", half, r)
	}
	return r.stdout
}

func TestWhatAUserDecidesAndHowItGoes(t *testing.T) {
	w := newTown(t, "1", "2", "3")
	if l := w.run("profile", "get", "--user", "2", "--json", "1"); l[0].Name != "" {
		t.Errorf("a profile that was never set: %+v", l)
	}
	w.run("profile", "set", "--user", "1", "--json", "--name", "Ann", "--about", "here")
	w.run("profile", "set", "--user", "1", "--json", "--about", "there")
	if l := w.run("profile", "get", "--user", "2", "--json", "1"); l[0].Name != "Ann" || l[0].About != "there" || l[0].User != 1 {
		t.Errorf("profile %+v", l)
	}
	w.run("contacts", "add", "--user", "1", "--json", "3", "2", "3")
	w.run("contacts", "remove", "--user", "1", "--json", "3")
	if l := w.run("contacts", "list", "--user", "1", "--json"); len(l) != 1 || l[0].User != 2 {
		t.Errorf("contacts %+v", l)
	}
	w.run("privacy", "set", "--user", "1", "--json", "--profile", "contacts")
	if l := w.run("privacy", "get", "--user", "1", "--json"); l[0].Profile != "contacts" || l[0].Presence != "everyone" || l[0].LastSeen != "everyone" {
		t.Errorf("privacy %+v", l)
	}
	for user, name := range map[string]string{"2": "Ann", "3": ""} {
		if l := w.run("profile", "get", "--user", user, "--json", "1"); l[0].Name != name {
			t.Errorf("the profile of 1 as %s sees it: %+v", user, l)
		}
	}
	w.run("block", "add", "--user", "1", "--json", "3")
	if l := w.run("block", "list", "--user", "1", "--json"); len(l) != 1 || l[0].User != 3 {
		t.Errorf("blocked %+v", l)
	}
	w.run("send", "--user", "3", "--to", "1", "you do not hear me")
	w.run("send", "--user", "2", "--to", "1", "but me")
	if m, _ := w.recv("1", 1); m[0].Text != "but me" {
		t.Errorf("received %+v", m)
	}
	if l := w.run("group", "create", "--user", "3", "--json", "1", "2"); l[0].Members != 2 || len(l) != 2 || l[1].User != 1 || l[1].Refused != "refused" {
		t.Errorf("a group with who has blocked its maker: %+v", l)
	}
	w.run("block", "remove", "--user", "1", "--json", "3")
	if l := w.run("report", "--user", "1", "--json", "--reason", "noise", "3"); !l[0].Reported || l[0].User != 3 {
		t.Errorf("reported %+v", l)
	}
	if l := w.run("account", "delete", "--user", "3", "--json", "--yes"); !l[0].Deleted || l[0].User != 3 {
		t.Errorf("deleted %+v", l)
	}
	w.refused("trunkline send: message", "send", "--user", "2", "--to", "3", "nobody")
	w.refused("code", "contacts", "list", "--user", "3")
	_, changes := w.recv("2", 0, "--timeout", "1s")
	if len(changes) != 2 || changes[1].Event != "left" || changes[1].By != 3 {
		t.Errorf("2 hears %+v", changes)
	}
}

func TestPresenceIsWatched(t *testing.T) {
	w := newTown(t, "1", "2")
	watch := talk(t, slices.Concat([]string{"presence", "watch"}, w.at, []string{"--user", "1", "--json", "2"})...)
	watch.sees(`{"user":2,"event":"offline"`)
	c := talk(t, "chat", "--trust-first", "--server", w.s.addr, "--state", w.at[4], "--user", "2", "--to", "1")
	watch.sees(`{"user":2,"event":"online"`)
	_ = c.stdin.Close()
	c.wait()
	watch.signal(syscall.SIGINT)
	if r := watch.wait(); r.code != exitInterrupt || r.stderr != "trunkline presence watch: interrupted\n" {
		t.Errorf("%+v", r)
	}
	l := w.run("presence", "watch", "--user", "1", "--json", "--count", "1", "2")
	if len(l) != 1 || l[0].Event != "offline" || l[0].LastSeen == nil {
		t.Errorf("%+v", l)
	}
}

func TestWrongUseOfAskingIsOneLine(t *testing.T) {
	state := t.TempDir()
	for _, row := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no verb", []string{"group"}, exitUsage, "say what: create, add,"},
		{"a verb that is none", []string{"group", "crate"}, exitUsage, `there is no "crate"; there are create,`},
		{"nobody", []string{"group", "list"}, exitUsage, "--user says who you are"},
		{"no group", []string{"group", "info", "--user", "1"}, exitUsage, "--group says which group"},
		{"a group without its g", []string{"group", "info", "--user", "1", "--group", "5"}, exitUsage, `--group: "5": a group is written g`},
		{"no member", []string{"group", "add", "--user", "1", "--group", "g5"}, exitUsage, "name a user"},
		{"a member that is none", []string{"group", "add", "--user", "1", "--group", "g5", "bob"}, exitUsage, `"bob": a user is a number`},
		{"a flag behind the words", []string{"group", "add", "--user", "1", "2", "--group", "g5"}, exitUsage, "--group stands behind the text"},
		{"no message", []string{"group", "receipts", "--user", "1", "--group", "g5"}, exitUsage, "--seq says which message"},
		{"no invite", []string{"group", "join", "--user", "1", "g5"}, exitUsage, `"g5" is no invite`},
		{"two receivers", []string{"send", "--user", "1", "--to", "2", "--group", "g5", "x"}, exitUsage, "one too many"},
		{"nothing to set", []string{"profile", "set", "--user", "1"}, exitUsage, "says what to change"},
		{"a rule that is none", []string{"privacy", "set", "--user", "1", "--presence", "some"}, exitUsage, "everyone, contacts or nobody"},
		{"an account by mistake", []string{"account", "delete", "--user", "1"}, exitUsage, "--yes says that you mean it"},
		{"the primary removed", []string{"device", "remove", "--user", "1", "0"}, exitUsage, "it goes with the account"},
		{"a device without a verb", []string{"device"}, exitUsage, "remove, link, trust"},
		{"a token for a device of the server's", []string{"token", "--user", "1", "--device", "254"}, exitUsage, "from 0 to 253"},
		{"a device of the server's", []string{"device", "list", "--user", "1", "--device", "254"}, exitUsage, "from 0 to 253"},
		{"nobody to trust", []string{"device", "trust", "--user", "1"}, exitUsage, "--of says which user"},
		{"two reported", []string{"report", "--user", "1", "2", "3"}, exitUsage, `"3" is one user too many`},
		{"a message of no group", []string{"report", "--user", "1", "--seq", "4", "2"}, exitUsage, "--group says of which"},
		{"nobody to watch", []string{"presence", "watch", "--user", "1"}, exitUsage, "name a user"},
		{"a server that is not there", []string{"group", "list", "--user", "1", "--plain", "--server", "127.0.0.1:1", "--state", state}, exitFailed, "connection refused"},
	} {
		t.Run(row.name, func(t *testing.T) {
			oneLineWith(t, runBinary(t, row.args...), row.code, row.want)
		})
	}
	for _, args := range [][]string{{"group", "--help"}, {"device", "--help"}, {"report", "--help"}, {"help", "privacy"}, {"group", "create", "--help"}} {
		if r := runBinary(t, args...); r.code != exitOK || r.stderr != "" || !strings.Contains(r.stdout, "Usage: trunkline ") {
			t.Errorf("%v: %+v", args, r)
		}
	}
}
