// Package talk is what the full-screen client knows and decides: conversations, people, groups, what is unread, what is subscribed.
//
// It is one pure function: Model.Update takes what happened (events of the SDK, acts of the user, reports of package post) and a time, and
// answers the tasks that follow. It refuses to draw, to wait, to touch a disk or a network; package post does the tasks in
// their order, package screen draws the model. Texts of others are kept as they came and are cleaned (Clean) where they are shown.
//
// Main types: Model, Talk (a conversation), Line (what was said in it), Peer (with whom), and the tasks and reports in tasks.go.
package talk
