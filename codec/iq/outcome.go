package iq

import "trunkline/codec"

// Outcome says why somebody that a request named did not become what was asked for.
type Outcome struct {
	User uint64
	Code codec.ErrorCode // CodeRefused: it wants not to be added by this user; CodeNoSuchUser; CodeTooMany; CodeNotMember; ...
}

// writeOutcomes adds two lists, one place in each for each user.
func writeOutcomes(b *codec.Builder, outcomes []Outcome) {
	if len(outcomes) == 0 {
		return
	}
	b.Open("rejected")
	b.OpenList()
	before := ^uint64(0)
	for i := range outcomes {
		before = writeID(b, before, outcomes[i].User)
	}
	b.Close()
	b.Close()
	b.Open("code")
	b.OpenList()
	for i := range outcomes {
		b.Uint(uint64(outcomes[i].Code))
	}
	b.Close()
	b.Close()
}

// readOutcomes reads what writeOutcomes has written.
func readOutcomes(a *attributes, root codec.Value) []Outcome {
	users := a.ids(nil, child(root, "rejected"), UsersMax, validUser)
	codes := a.numbers(nil, child(root, "code"), UsersMax, codesEnd-1)
	if len(users) != len(codes) {
		a.bad = true
	}
	if len(users) == 0 || a.bad {
		return nil
	}
	outcomes := make([]Outcome, len(users))
	for i, user := range users {
		outcomes[i] = Outcome{User: user, Code: codec.ErrorCode(codes[i])}
	}
	return outcomes
}

// validOutcomes says whether an answer may hold these: at most one for each user of a request.
func validOutcomes(outcomes []Outcome) bool {
	for i := range outcomes {
		if !validUser(outcomes[i].User) || outcomes[i].Code >= codesEnd {
			return false
		}
	}
	return len(outcomes) <= UsersMax
}
