package server

import "trunkline/codec"

// codesEnd is one above the highest code that a table of counts may hold.
const codesEnd = 128

// namedCodes lists the codes that have a name, in order. Their names are labels in metrics: golden files hold them.
func namedCodes() []codec.ErrorCode {
	var list []codec.ErrorCode
	for c := codec.CodeNone + 1; c < codesEnd; c++ {
		if c.String() != "" {
			list = append(list, c)
		}
	}
	return list
}

// byName picks the codes that were counted at all out of a table indexed by code. Codes without a name count as "other".
func byName(counts []uint64) map[string]uint64 {
	out := map[string]uint64{}
	for code, n := range counts {
		if n == 0 {
			continue
		}
		name := codec.ErrorCode(code).String()
		if name == "" || code == int(codec.CodeNone) {
			name = "other"
		}
		out[name] += n
	}
	return out
}
