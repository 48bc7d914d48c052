package shard

// Identity is what the transport has proved about a connection's client before its HELLO is read.
type Identity struct {
	User   uint64
	Device uint8
	// Gen is the account's generation of the device: a HELLO of another one is refused (CodeGenerationStale), and a HELLO without
	// one begins it. 0: nobody keeps generations but the mailbox.
	Gen uint16
	// Early: only a first flight speaks so far, and it may be a replay. Until Confirm only HELLO and SENDs are taken, and nothing
	// that they ask for may hurt the device's present connection or change what only the device itself may change.
	Early bool
}

// Identify tells who the client is. It comes after Open (again after a move) and before Data; without it a HELLO is refused where
// Config.Proven is set. For a connection that is gone it does nothing.
func (s *Shard) Identify(now int64, conn Conn, id Identity) { panic("contract") }

// Confirm tells that the client of an Early identity is no replay: its first record under the new keys has come.
func (s *Shard) Confirm(now int64, conn Conn) { panic("contract") }
