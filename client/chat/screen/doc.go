// Package screen draws package talk's model on a terminal and turns keys into acts.
//
// It owns what a terminal has: rows and columns, what is scrolled where, the line that is being written, colours or none. It refuses
// to know of networks and files, and to decide what a message does. Every text that somebody else wrote passes talk.Clean or a function of the
// model that cleans before it is drawn: nothing that comes from outside reaches the terminal as a control character.
//
// Main types: Screen (a bubbletea model), Theme. Everything runs on bubbletea's goroutine.
package screen
