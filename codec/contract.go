package codec

// Frame is one length-prefixed unit of the wire. Body aliases the bytes it was split from.
type Frame struct {
	Kind  Kind
	Flags Flags
	Body  []byte
}

func Next(b []byte, frameBytesMax int) (f Frame, used int, err error) { panic("contract") }

func ParseHello(f Frame) (Hello, error)         { panic("contract") }
func ParseSuccess(f Frame) (Success, error)     { panic("contract") }
func ParseError(f Frame) (Error, error)         { panic("contract") }
func ParseGoAway(f Frame) (GoAway, error)       { panic("contract") }
func ParseState(f Frame) (State, error)         { panic("contract") }
func ParseSend(f Frame) (Send, error)           { panic("contract") }
func ParseDeliver(f Frame) (Deliver, error)     { panic("contract") }
func ParseTick(f Frame) (Tick, error)           { panic("contract") }
func ParseAck(f Frame) (Ack, error)             { panic("contract") }
func ParseReceipt(f Frame) (Receipt, error)     { panic("contract") }
func ParseTyping(f Frame) (Typing, error)       { panic("contract") }
func ParsePresence(f Frame) (Presence, error)   { panic("contract") }
func ParseSubscribe(f Frame) (Subscribe, error) { panic("contract") }
func ParseNode(f Frame) (Node, error)           { panic("contract") }

// Next walks the parts of a SEND; ok is false at the end. The list was checked by ParseSend.
func (p Parts) Next() (part Part, rest Parts, ok bool) { panic("contract") }
func (p Parts) Append(part Part) Parts                 { panic("contract") }
func (p Peers) At(i int) uint64                        { panic("contract") }

// The Append functions add one whole frame, its length prefix included, to dst. They panic on nothing: a value that
// breaks a limit is an error of the caller and returns dst unchanged with the error.
func AppendPing(dst []byte) []byte                             { panic("contract") }
func AppendPong(dst []byte) []byte                             { panic("contract") }
func AppendHello(dst []byte, v *Hello) ([]byte, error)         { panic("contract") }
func AppendSuccess(dst []byte, v *Success) ([]byte, error)     { panic("contract") }
func AppendError(dst []byte, v *Error) ([]byte, error)         { panic("contract") }
func AppendGoAway(dst []byte, v *GoAway) ([]byte, error)       { panic("contract") }
func AppendState(dst []byte, v *State) ([]byte, error)         { panic("contract") }
func AppendSend(dst []byte, v *Send) ([]byte, error)           { panic("contract") }
func AppendDeliver(dst []byte, v *Deliver) ([]byte, error)     { panic("contract") }
func AppendTick(dst []byte, v *Tick) ([]byte, error)           { panic("contract") }
func AppendAck(dst []byte, v *Ack) ([]byte, error)             { panic("contract") }
func AppendReceipt(dst []byte, v *Receipt) ([]byte, error)     { panic("contract") }
func AppendTyping(dst []byte, v *Typing) ([]byte, error)       { panic("contract") }
func AppendPresence(dst []byte, v *Presence) ([]byte, error)   { panic("contract") }
func AppendSubscribe(dst []byte, v *Subscribe) ([]byte, error) { panic("contract") }
func AppendNode(dst []byte, v *Node) ([]byte, error)           { panic("contract") }

// PayloadCompressed is the bit of Part.Kind and Deliver.Kind that says: compressed by the client.
const PayloadCompressed = 0x80

// CompressPayload appends payload to dst, compressed when it has PayloadDeflateBytesMin bytes or more and that saves
// bytes; compressed says which. ExpandPayload undoes it, refusing more than maxBytes.
func CompressPayload(dst, payload []byte) (out []byte, compressed bool) { panic("contract") }
func ExpandPayload(dst, payload []byte, maxBytes int) ([]byte, error)   { panic("contract") }
