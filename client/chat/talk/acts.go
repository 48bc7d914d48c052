package talk

// Act is something the user does.
type Act interface{ act() }

// Open shows a conversation, a new one too.
type Open struct{ Peer Peer }

// Compose is what the composing line holds now.
type Compose struct{ Text string }

// Say ends the composing line: a command when it is one line that begins with a slash, else a message.
type Say struct{ Text string }

// Older asks for lines before those that are shown.
type Older struct{}

// Jump shows a line of the past.
type Jump struct {
	Peer Peer
	Row  int64
}

// Shown says what is on the screen: conversations of the list, and whether the newest line of the open one is.
type Shown struct {
	Peers []Peer
	End   bool
}

// Focus says that the terminal has the focus, or lost it.
type Focus struct{ Yes bool }

// Key is any key: somebody is there.
type Key struct{}

// Clock is time that passes; about once a second.
type Clock struct{}

// TooLong says that the composing line can't take what was pasted.
type TooLong struct{}

// Close takes the card away.
type Close struct{}

func (Open) act()    {}
func (Compose) act() {}
func (Say) act()     {}
func (Older) act()   {}
func (Jump) act()    {}
func (Shown) act()   {}
func (Focus) act()   {}
func (Key) act()     {}
func (Clock) act()   {}
func (TooLong) act() {}
func (Close) act()   {}
