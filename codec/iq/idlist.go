package iq

import "trunkline/codec"

// A list of ids is the content of a node. An id stands there whole, or as a number: by how much it is above the one before it.

// writeIDs adds ids as the content of the open node, or nothing when there are none.
func writeIDs(b *codec.Builder, ids []uint64) {
	if len(ids) == 0 {
		return
	}
	b.OpenList()
	before := ^uint64(0)
	for _, id := range ids {
		before = writeID(b, before, id)
	}
	b.Close()
}

// writeID adds one id to the open list; before is the one that was added before it, the highest number when there is none.
func writeID(b *codec.Builder, before, id uint64) uint64 {
	if id > before {
		b.Uint(id - before)
	} else {
		b.User(id)
	}
	return id
}

// ids appends what the list in a node holds: at most most of them. A node without content holds none.
func (a *attributes) ids(dst []uint64, node codec.Value, most int, valid func(uint64) bool) []uint64 {
	base, before := len(dst), uint64(0)
	for v := a.list(node); v.Kind() != codec.ValueNone; v = v.Next() {
		id, ok := v.User()
		if step, above := v.Uint(); above {
			id = before + step
			ok = len(dst) > base && step > 0 && id > before
		}
		if !ok || !valid(id) || len(dst)-base == most {
			a.bad = true
			return dst
		}
		dst = append(dst, id)
		before = id
	}
	return dst
}

// numbers is ids for integers.
func (a *attributes) numbers(dst []uint64, node codec.Value, most int, highest uint64) []uint64 {
	for v := a.list(node); v.Kind() != codec.ValueNone; v = v.Next() {
		n, ok := v.Uint()
		if !ok || n > highest || len(dst) == most {
			a.bad = true
			return dst
		}
		dst = append(dst, n)
	}
	return dst
}

// list is the first value of the list that a node has.
func (a *attributes) list(node codec.Value) codec.Value {
	if kind := node.Content().Kind(); kind != codec.ValueList && kind != codec.ValueNone {
		a.bad = true
	}
	return node.First()
}

// child is the first child with that name; none when there is no such child.
func child(node codec.Value, name string) codec.Value {
	for v := node.First(); v.Kind() != codec.ValueNone; v = v.Next() {
		if v.Name().Is(name) {
			return v
		}
	}
	return codec.Value{}
}
