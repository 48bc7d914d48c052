// Package iq has the cold stanzas: what travels in NODE frames as questions, answers and notices. It owns their typed forms and the way
// between those and binary nodes, for clients and servers alike.
// It refuses what is not exactly a form of this version; it decides nothing about who may ask what.
// Its types: Request (one question of a client, named by its Op), Answer (what comes back under the same ref), Notice (what a server says
// unasked, ref 0) and Event (what the members of a group are told in their mailboxes, as the payload of a DELIVER).
package iq
