// Package post does what package talk asks for: it writes the history, talks to the SDK, and reports what came of it.
//
// It owns the order: tasks are done one after the other, a message is acknowledged when the history has it and sent when the history has it,
// so a crash at any moment neither loses a line nor sends it twice. Questions to the server have a queue of their own, for they wait.
// It refuses to decide: what is to be done, and what the user sees of it, is the model's. While the disk takes nothing, nothing is
// acknowledged, and the server keeps what comes.
//
// Main type: Office. Its goroutines end with Close.
package post
