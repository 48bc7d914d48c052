// Command trunkline-chat is the full-screen terminal client.
//
// It owns flags, exit codes, and the order in which things are opened and closed: the device's state, the history beside it, the client, the
// screen. It refuses to hold anything else; packages talk (what is known and decided), history (what is kept), post (what is done)
// and screen (what is drawn) do the work. `trunkline chat` talks to one user line by line, over pipes too.
package main
