// Package tuning knows what the operating system allows one process and what it costs it.
//
// It owns the descriptor limit (read, raised, turned into a number of connections) and the process's own memory and
// CPU time as the kernel counts them. It refuses to change anything outside this process.
//
// Main types: FileLimit, Usage. Every function may be called from any goroutine.
//
// Source: setrlimit(2), getrusage(2), proc(5) on Linux, sysctl(3) on FreeBSD and macOS.
package tuning
