package store

// Put adds an entry to a piece that somebody other than a Keeper makes: a disk that lives in a test.
func (n *News) Put(e *Entry, payload []byte) { n.piece = appendEntry(n.piece, e, payload) }
