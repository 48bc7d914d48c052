// Package tuning knows what an operating system must be set to for a number of connections, what each connection costs, and what the
// system says of both.
//
// It owns the table of limits of FreeBSD and Linux (docs/tuning.md is made from it), the memory model, the readers of a running system,
// and the descriptor limit, memory and CPU time of this process. It refuses to decide: it changes a setting only when it is told to
// (System.Write), and nothing that outlives a reboot.
//
// Main types: Limit, Load, System (the running one from Live, or a Fixture), Report from Check, Capacity from Plan; FileLimit, Usage.
// Functions may be called from any goroutine, a System from one at a time. A check reads some forty settings and takes about a millisecond.
//
// Source: the manual pages that the table names; setrlimit(2), getrusage(2), proc(5) on Linux, sysctl(3) on FreeBSD and macOS.
package tuning
