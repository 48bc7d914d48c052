package talk

// Card is a page in place of the conversation: an answer of the server, what a search found, help. Texts are clean.
type Card struct {
	Title string
	Rows  []CardRow
}

// CardRow is one row of a card.
type CardRow struct {
	Label string // in front; "": none
	Text  string
	Jump  Jump // where Enter leads; Peer 0: nowhere
}

// rows is a card of plain rows.
func (c *Card) add(label, text string) { c.Rows = append(c.Rows, CardRow{Label: label, Text: text}) }

// lead adds a row that leads somewhere.
func (c *Card) lead(label, text string, to Jump) {
	c.Rows = append(c.Rows, CardRow{Label: label, Text: text, Jump: to})
}

// Leads says whether any row leads somewhere.
func (c *Card) Leads() bool {
	for i := range c.Rows {
		if c.Rows[i].Jump.Peer != 0 {
			return true
		}
	}
	return false
}

// FirstJump is the first row that leads somewhere, 0 when none does.
func (c *Card) FirstJump() int {
	for i := range c.Rows {
		if c.Rows[i].Jump.Peer != 0 {
			return i
		}
	}
	return 0
}

// NextJump is the row that the cursor goes to from row i by a step of one: the next that leads somewhere, or the next row on a card where none does.
func (c *Card) NextJump(i, step int) int {
	leads := c.Leads()
	for j := i + step; j >= 0 && j < len(c.Rows); j += step {
		if !leads || c.Rows[j].Jump.Peer != 0 {
			return j
		}
	}
	return i
}
