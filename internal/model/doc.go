// Package model checks the delivery rules without a socket, a clock or a goroutine.
//
// It owns an abstract, randomised copy of a conversation: clients that persist, crash, lose their state and come back,
// connections that break with frames lost in both directions, two loops that exchange messages with delays of their own,
// mailboxes with marks, windows and caps, steps that crash, and a server that loses its data, or has a disk and loses what its
// journal had not made durable. It refuses to share code with the packages it
// checks: it was written from the rules alone, and where the two differ one of them is wrong.
//
// Run plays the schedule of one seed under a set of rules and returns what was violated. With every rule nothing is;
// without any one of them something is in some schedules, which is how we know that the rule is needed and that the model
// can see it. docs/adr/0002-delivery-rules-modelled.md and docs/adr/0009-durability-modelled.md have the tables.
//
// Main types: Rule, Rules, Mode. Run may be called from any goroutine.
//
// Source: docs/protocol.md, "Delivery rules", "Login and resume".
package model
