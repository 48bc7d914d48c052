package tuning

// SocketMemory is what the kernel of this machine keeps for sockets, those of all processes.
type SocketMemory struct {
	Bytes  int64
	Source string // where it was read, and what is in it
}
