package history

// steps lead from one version of the schema to the next; the number of steps is the version. A step that was released never changes. All
// numbers of users and groups are the bits of a uint64 in a signed column: they are compared for equality only.
//
// line: one row for each thing that was said; row rises in the order in which this device learned of it. Columns as in talk.Line.
// own rows of this device have a cseq and the era it counts in: a device that registers anew counts from 1 again.
func steps() []string {
	return []string{`
CREATE TABLE owner (user INTEGER NOT NULL, device INTEGER NOT NULL, era INTEGER NOT NULL);
CREATE TABLE line (
	row    INTEGER PRIMARY KEY AUTOINCREMENT,
	peer   INTEGER NOT NULL,
	sender INTEGER NOT NULL,
	mine   INTEGER NOT NULL,
	kind   INTEGER NOT NULL,
	text   TEXT    NOT NULL,
	at     INTEGER NOT NULL,           -- unix ms
	device INTEGER NOT NULL,
	gen    INTEGER NOT NULL,
	id     INTEGER NOT NULL,
	gseq   INTEGER NOT NULL,
	seen   INTEGER NOT NULL,
	era    INTEGER NOT NULL DEFAULT 0, -- 0: not sent by this device
	cseq   INTEGER NOT NULL DEFAULT 0, -- 0 with an era: not in the outbox yet
	level  INTEGER NOT NULL DEFAULT 0,
	code   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX line_talk ON line (peer, row);
CREATE UNIQUE INDEX line_stream ON line (sender, device, gen, CASE WHEN peer < 0 THEN peer ELSE 0 END, id) WHERE era = 0;
CREATE UNIQUE INDEX line_own ON line (era, cseq) WHERE cseq > 0;
CREATE INDEX line_seen ON line (peer, row) WHERE seen < 2;
CREATE INDEX line_pending ON line (row) WHERE era > 0 AND cseq = 0;
CREATE TABLE person (user INTEGER PRIMARY KEY, name TEXT NOT NULL, about TEXT NOT NULL, picture BLOB NOT NULL, asked INTEGER NOT NULL);
CREATE TABLE team (id INTEGER PRIMARY KEY, subject TEXT NOT NULL, gone INTEGER NOT NULL, count INTEGER NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(text, content='line', content_rowid='row', tokenize='trigram');
CREATE TRIGGER line_in AFTER INSERT ON line BEGIN INSERT INTO words(rowid, text) VALUES (new.row, new.text); END;
CREATE TRIGGER line_out AFTER DELETE ON line BEGIN INSERT INTO words(words, rowid, text) VALUES ('delete', old.row, old.text); END;
`}
}
