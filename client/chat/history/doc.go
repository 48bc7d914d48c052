// Package history keeps what was said, in one SQLite file of mode 0600 on the user's own disk.
//
// It owns the file: its schema and the steps between versions, one transaction for each call, the search index. It refuses to
// decide anything: package talk says what is kept, package post when. What a call has answered without an error
// survives a crash and a power cut (synchronous=FULL); a file that is no history, or a newer version's, is an error and stays as it is.
//
// Main type: Store. One goroutine uses it at a time; the file is locked until Close.
package history
