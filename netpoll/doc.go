// Package netpoll multiplexes very many TCP connections over a few event loops.
//
// It owns sockets and bytes: loops on epoll and kqueue, slots, timers, listeners, the bytes that wait to be
// read or written, and the values that travel between loops. It knows nothing of frames or users.
//
// Main types: Reactor (the loops together), Loop (one of them), ConnID (a connection's name),
// Handler (what the owner of a loop implements), Poller (the operating system's part).
// Methods of Loop may be called only from its own handler callbacks; methods of Reactor from any goroutine.
//
// One turn of a loop: the events of a batch (one read each), connections with left-over work, new connections, messages
// from other loops, timers, closed connections, OnTick, one write for each dirty connection, hand-over of what was posted.
// Each step has a budget (limits.go), so a flood of one kind never starves the others.
//
// An idle connection costs its slot (64 bytes, no pointers) and nothing else in user memory.
//
// Source: the reactor pattern (Schmidt, 1995); epoll(7), kqueue(2).
package netpoll
