// Package bench loads a server and reports what it costs.
//
// It owns three measurements: Echo (the reactor beside a bare epoll loop), Connect (bytes of server memory for an idle
// connection or session) and Message (messages a second, CPU of the server for each, latency, and whether every message
// arrived once and in order). It starts the processes it measures and ends them, unless it is told of a running server.
// It refuses to be part of a server, and to send anything outside loopback unless the caller names the address.
//
// Main types: EchoConfig, ConnectConfig, MessageConfig (what to do), Report (what came out), Env (who runs it).
// Echo, Connect and Message may be called from any goroutine, one at a time: they measure the machine.
//
// The generator runs many sessions on few loops of netpoll, because one goroutine for each connection would cost more
// than the server it loads. Latency counts from the moment a message was due, not from when the generator got
// round to it.
//
// Source: bench/README.md.
package bench
