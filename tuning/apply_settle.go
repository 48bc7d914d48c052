package tuning

// settle is what to set a limit to that is have, should fit need, and is better at suggested. held says that have stays at a
// number that is larger than it should be, because nobody said that values may be lowered. What is more than needed and does no
// harm is never lowered: others on the machine may need it.
//
//	rule      have fits need    have does not fit
//	AtLeast   have              suggested
//	AtMost    have              have, held; lower: suggested
//	Equal     have              suggested; have, held, if suggested is less and lower is not said
//	Any       have              have
//
// Where have is not known, or of another shape, suggested is taken.
func settle(l *Limit, have, need, suggested Value, lower bool) (set Value, held bool) {
	if suggested.None() || need.Count == 0 || !sameShape(have, need) {
		return suggested, false
	}
	set = have
	for i := range int(need.Count) {
		h, s := have.Numbers[i], suggested.Numbers[i]
		switch {
		case fits(l.Rules[i], h, need.Numbers[i]):
		case h > s && !lower:
			held = true
		default:
			set.Numbers[i] = s
		}
	}
	return set, held
}

// fitsNeed says whether have is known and as good as needed.
func fitsNeed(l *Limit, have, need Value) bool {
	if !sameShape(have, need) {
		return false
	}
	if need.Count == 0 {
		return fitsWord(l.Rules[0], have.Text, need.Text)
	}
	for i := range need.Count {
		if !fits(l.Rules[i], have.Numbers[i], need.Numbers[i]) {
			return false
		}
	}
	return true
}

// largest joins what several places say of a limit into what must not be lowered.
func largest(a, b Value) Value {
	if a.None() {
		return b
	}
	if a.Count != b.Count || b.Count == 0 {
		return a
	}
	for i := range int(a.Count) {
		a.Numbers[i] = max(a.Numbers[i], b.Numbers[i])
	}
	return a
}
