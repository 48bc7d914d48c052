package talk

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"trunkline/client"
	"trunkline/codec/iq"
)

// Command is what a line that begins with a slash asks for.
type Command struct {
	Name string // without the slash
	Args string // for people
	Does string // for people
	run  func(m *Model, now time.Time, args string) ([]Task, error)
}

// called is a command with what was typed behind it.
type called struct {
	name, args string
}

// command reads a line of the user. False: it is a message. A pasted text of several lines is one, and so is a line with two slashes.
func command(text string) (called, bool) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || strings.Contains(text, "\n") {
		return called{}, false
	}
	name, args, _ := strings.Cut(text[1:], " ")
	return called{name: name, args: strings.TrimSpace(args)}, true
}

// run finds a command by its name, or by the beginning of it when that is the only one.
func (m *Model) run(now time.Time, c called) ([]Task, error) {
	list := Matching(c.name)
	if len(list) == 0 {
		return nil, fmt.Errorf("there is no /%s; /help lists what there is", cut(CleanLine(c.name), NameRunesMax))
	}
	if len(list) > 1 && list[0].Name != c.name {
		return nil, fmt.Errorf("/%s could be /%s or /%s", c.name, list[0].Name, list[1].Name)
	}
	return list[0].run(m, now, c.args)
}

// Matching lists the commands whose names begin with a text; the one that is that text is the first.
func Matching(prefix string) []Command {
	var list []Command
	for _, c := range Commands() {
		switch {
		case c.Name == prefix:
			list = append([]Command{c}, list...)
		case strings.HasPrefix(c.Name, prefix):
			list = append(list, c)
		}
	}
	return list
}

// Commands is the table, in the order in which help prints it.
func Commands() []Command {
	return []Command{
		{"new", "NUMBER", "begin a conversation", runNew},
		{"find", "WORDS", "search everything that was said", runFind},
		{"forget", "", "remove this conversation from this device", runForget},
		{"group", "NUMBERS NAME", "make a group", runGroup},
		{"add", "NUMBERS", "add members to this group", ofGroup(iq.OpGroupAdd)},
		{"remove", "NUMBERS", "remove members", ofGroup(iq.OpGroupRemove)},
		{"promote", "NUMBERS", "let members change the group", ofGroup(iq.OpGroupPromote)},
		{"demote", "NUMBERS", "end that", ofGroup(iq.OpGroupDemote)},
		{"subject", "NAME", "name this group anew", runSubject},
		{"invite", "[off]", "make a code with which anybody joins this group, or end it", runInvite},
		{"join", "CODE", "join a group", runJoin},
		{"receipts", "[N]", "who has your newest message here; 2: the one before", runReceipts},
		{"leave", "", "leave this group", runLeave},
		{"info", "", "who is in this group, or the profile of this user", runInfo},
		{"block", "[NUMBER]", "hear nothing of a user any more", ofBlock(iq.OpBlocksAdd)},
		{"unblock", "[NUMBER]", "end that", ofBlock(iq.OpBlocksDrop)},
		{"blocks", "", "whom you block", runBlocks},
		{"profile", "[NUMBER]", "show a profile, your own without a number", runProfile},
		{"name", "TEXT", "set your name", runName},
		{"about", "TEXT", "say something about yourself", runAbout},
		{"devices", "", "your devices", runDevices},
		{"unlink", "DEVICE", "remove one of your devices", runUnlink},
		{"help", "", "keys and commands", runHelp},
		{"quit", "", "leave", runQuit},
	}
}

var (
	errNoGroup = errors.New("that is for a group; open one first")
	errNoUser  = errors.New("that is for a user; open a conversation, or name a number")
	errNumbers = errors.New("it takes numbers of users, with spaces between them")
	errName    = errors.New("it takes a name")
	errOffline = errors.New("there is no connection; try again when there is one")
)

// ask is a question of the user. Unlike messages, questions do not wait for a connection.
func (m *Model) ask(a Ask) ([]Task, error) {
	if !m.Link.Up {
		return nil, errOffline
	}
	a.Show = true
	return []Task{a}, nil
}

func runNew(m *Model, now time.Time, args string) ([]Task, error) {
	p, err := ParsePeer(args)
	if err != nil {
		return nil, err
	}
	if p.IsGroup() && m.talks[p] == nil {
		return nil, errors.New("you are in no such group; /join takes an invite code")
	}
	m.Card = nil
	return m.open(now, p, 0), nil
}

func runFind(m *Model, _ time.Time, args string) ([]Task, error) {
	if args == "" {
		return nil, errors.New("it takes words to look for")
	}
	return []Task{Find{Text: args}}, nil
}

func runForget(m *Model, now time.Time, args string) ([]Task, error) {
	p := m.Open
	if p == 0 || args != "" {
		return nil, errors.New("it takes nothing but an open conversation")
	}
	if p.IsGroup() && !m.group(p).Gone {
		return nil, errors.New("/leave the group first")
	}
	m.drop(p)
	m.notify(now, m.Title(p)+" is forgotten on this device")
	return []Task{Forget{Peer: p}}, nil
}

func runGroup(m *Model, _ time.Time, args string) ([]Task, error) {
	words := strings.Fields(args)
	n := 0
	for n < len(words) {
		if p, err := ParsePeer(strings.TrimSuffix(words[n], ",")); err != nil || p.IsGroup() {
			break
		}
		n++
	}
	users, err := parseUsers(words[:n])
	name := strings.Join(words[n:], " ")
	switch {
	case err != nil:
		return nil, err
	case name == "":
		return nil, errors.New("it takes numbers of users and then a name: /group 1002 1003 hiking")
	case len(name) > iq.SubjectBytesMax:
		return nil, fmt.Errorf("a name has at most %d bytes", iq.SubjectBytesMax)
	}
	return m.ask(Ask{Op: iq.OpGroupCreate, Users: users, Text: name})
}

// ofGroup is a command that names users in the open group.
func ofGroup(op iq.Op) func(*Model, time.Time, string) ([]Task, error) {
	return func(m *Model, _ time.Time, args string) ([]Task, error) {
		users, err := parseUsers(strings.Fields(args))
		switch {
		case !m.Open.IsGroup():
			return nil, errNoGroup
		case err != nil:
			return nil, err
		case len(users) == 0 || len(users) > iq.UsersMax:
			return nil, errNumbers
		}
		return m.ask(Ask{Op: op, Group: uint64(m.Open), Users: users})
	}
}

func runSubject(m *Model, _ time.Time, args string) ([]Task, error) {
	switch {
	case !m.Open.IsGroup():
		return nil, errNoGroup
	case args == "":
		return nil, errName
	case len(args) > iq.SubjectBytesMax:
		return nil, fmt.Errorf("a name has at most %d bytes", iq.SubjectBytesMax)
	}
	return m.ask(Ask{Op: iq.OpGroupSubject, Group: uint64(m.Open), Text: args})
}

func runInvite(m *Model, _ time.Time, args string) ([]Task, error) {
	switch {
	case !m.Open.IsGroup():
		return nil, errNoGroup
	case args != "" && args != "off":
		return nil, errors.New("it takes nothing, or off")
	}
	return m.ask(Ask{Op: iq.OpGroupInvite, Group: uint64(m.Open), Revoke: args == "off"})
}

func runJoin(m *Model, _ time.Time, args string) ([]Task, error) {
	group, code, err := client.ParseInvite(args)
	if err != nil {
		return nil, errors.New("that is no invite code; one looks like g12-0123…")
	}
	return m.ask(Ask{Op: iq.OpGroupJoin, Group: group, Code: code})
}

func runReceipts(m *Model, _ time.Time, args string) ([]Task, error) {
	if !m.Open.IsGroup() {
		return nil, errNoGroup
	}
	n := 1
	if args != "" {
		var err error
		if n, err = strconv.Atoi(args); err != nil || n < 1 {
			return nil, errors.New("it takes nothing, or a number: 1 is your newest message here, 2 the one before it")
		}
	}
	l, ok := m.talks[m.Open].Placed(n)
	if !ok {
		return nil, errors.New("there is no such message of yours on this page that the group has")
	}
	return m.ask(Ask{Op: iq.OpGroupReceipts, Group: uint64(m.Open), Seq: l.GroupSeq, Text: l.Text})
}

func runLeave(m *Model, _ time.Time, _ string) ([]Task, error) {
	if !m.Open.IsGroup() {
		return nil, errNoGroup
	}
	return m.ask(Ask{Op: iq.OpGroupLeave, Group: uint64(m.Open)})
}

func runInfo(m *Model, _ time.Time, _ string) ([]Task, error) {
	switch {
	case m.Open == 0:
		return nil, errNoUser
	case m.Open.IsGroup():
		return m.ask(Ask{Op: iq.OpGroupInfo, Group: uint64(m.Open)})
	}
	return m.ask(Ask{Op: iq.OpProfileGet, User: uint64(m.Open)})
}

// user is who a command is about: the number behind it, else who is open.
func (m *Model) user(args string) (uint64, error) {
	if args == "" {
		if m.Open == 0 || m.Open.IsGroup() {
			return 0, errNoUser
		}
		return uint64(m.Open), nil
	}
	p, err := ParsePeer(args)
	if err != nil || p.IsGroup() {
		return 0, errUser
	}
	return uint64(p), nil
}

func ofBlock(op iq.Op) func(*Model, time.Time, string) ([]Task, error) {
	return func(m *Model, _ time.Time, args string) ([]Task, error) {
		user, err := m.user(args)
		if err != nil {
			return nil, err
		}
		if user == m.Me {
			return nil, errors.New("that is you")
		}
		return m.ask(Ask{Op: op, Users: []uint64{user}})
	}
}

func runBlocks(m *Model, _ time.Time, _ string) ([]Task, error) {
	return m.ask(Ask{Op: iq.OpBlocksGet})
}

func runProfile(m *Model, _ time.Time, args string) ([]Task, error) {
	user := m.Me
	if args != "" {
		var err error
		if user, err = m.user(args); err != nil {
			return nil, err
		}
	}
	return m.ask(Ask{Op: iq.OpProfileGet, User: user})
}

func runName(m *Model, _ time.Time, args string) ([]Task, error) {
	if len(args) > iq.NameBytesMax {
		return nil, fmt.Errorf("a name has at most %d bytes", iq.NameBytesMax)
	}
	return m.ask(Ask{Op: iq.OpProfileSet, Profile: m.ownProfile(&args, nil)})
}

func runAbout(m *Model, _ time.Time, args string) ([]Task, error) {
	if len(args) > iq.AboutBytesMax {
		return nil, fmt.Errorf("it has at most %d bytes", iq.AboutBytesMax)
	}
	return m.ask(Ask{Op: iq.OpProfileSet, Profile: m.ownProfile(nil, &args)})
}

// ownProfile is the own profile with a change.
func (m *Model) ownProfile(name, about *string) client.Profile {
	me := m.Person(m.Me)
	p := client.Profile{User: m.Me, Name: me.Name, About: me.About, Picture: me.Picture}
	if name != nil {
		p.Name = *name
	}
	if about != nil {
		p.About = *about
	}
	return p
}

func runDevices(m *Model, _ time.Time, _ string) ([]Task, error) {
	return m.ask(Ask{Op: iq.OpDevicesGet})
}

func runUnlink(m *Model, _ time.Time, args string) ([]Task, error) {
	var n uint8
	if _, err := fmt.Sscanf(args, "%d", &n); err != nil || n == 0 {
		return nil, errors.New("it takes the number of a companion; /devices lists them")
	}
	return m.ask(Ask{Op: iq.OpDeviceRemove, Device: n})
}

func runHelp(m *Model, _ time.Time, _ string) ([]Task, error) {
	c := &Card{Title: "Keys and commands"}
	for _, k := range Keys() {
		c.add(k.Key, k.Does)
	}
	c.add("", "")
	for _, cmd := range Commands() {
		c.add(strings.TrimSpace("/"+cmd.Name+" "+cmd.Args), cmd.Does)
	}
	c.add("", "")
	c.add("…", "waits in the outbox")
	c.add("✓", "the server has it")
	c.add("✓✓", "the other device has it")
	c.add("✓✓", "in blue, or ✓✓✓ without colour: it was read")
	c.add("✗", "it will not arrive; why stands behind it")
	m.Card = c
	return nil, nil
}

func runQuit(m *Model, _ time.Time, _ string) ([]Task, error) {
	m.Leaving = true
	return nil, nil
}

// KeyHelp says what a key does.
type KeyHelp struct{ Key, Does string }

// Keys is what the help says of keys.
func Keys() []KeyHelp {
	return []KeyHelp{
		{"Enter", "send"},
		{"Alt-Enter", "a new line in the message"},
		{"↑ ↓", "what you wrote before"},
		{"Ctrl-N Ctrl-P", "next conversation, the one before"},
		{"PgUp PgDn", "older lines, newer ones; End: the newest"},
		{"Ctrl-F", "search"},
		{"Tab", "complete a command; in a narrow terminal: the list"},
		{"Esc", "close a page"},
		{"Ctrl-C", "leave"},
	}
}
