package shard

// Reply is what is written to a connection when a change has become durable: the answer to the request that has asked for it. The connection may
// have moved or be gone: then nobody is told. An empty Frame: nobody waits.
type Reply struct {
	Loop  int
	Conn  Conn
	Frame []byte
}

// Answer writes an answer of the Clerk to a connection of this loop, if it is still logged in.
func (s *Shard) Answer(now int64, conn Conn, frame []byte) {}

// SetPolicy takes over what a user of this loop has decided, unless a newer version is known already, and tells when it is durable.
func (s *Shard) SetPolicy(now int64, user uint64, p *Policy, then Reply) {}

// RemoveDevice ends a device of a user of this loop: its session is closed (CodeDeviceRemoved), what waits for it is dropped, and messages to it
// are rejected (CodeNoSuchDevice) until it registers again.
func (s *Shard) RemoveDevice(now int64, user uint64, device uint8, then Reply) {}

// Forget ends a user of this loop: all devices as RemoveDevice, its policy, and its place in its groups, which hear that it left.
func (s *Shard) Forget(now int64, user uint64, then Reply) {}
