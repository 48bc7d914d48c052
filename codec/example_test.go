package codec_test

import (
	"fmt"

	"trunkline/codec"
)

// A loop splits what it has read into frames and leaves the rest for later.
func ExampleNext() {
	in := codec.AppendPing(nil)
	in, _ = codec.AppendAck(in, &codec.Ack{Seq: 7})
	in = append(in, 0x0A, 0x12) // a frame that has not arrived yet
	for {
		f, used, err := codec.Next(in, codec.FrameBytesMax)
		if err != nil || used == 0 {
			fmt.Println(len(in), "bytes are left,", err)
			return
		}
		in = in[used:]
		fmt.Println(string(codec.AppendXML(nil, f, codec.ToServer)))
	}
	// Output:
	// <iq type="get"><ping/></iq>
	// <ack seq="7"/>
	// 2 bytes are left, <nil>
}

func ExampleAppendSend() {
	parts := codec.Parts{}.Append(codec.Part{Device: 0, Blob: []byte("hello")})
	frame, err := codec.AppendSend(nil, &codec.Send{Cseq: 1, To: 1002, N: 1, Parts: parts})
	fmt.Printf("%x %v\n", frame, err)
	// Output: 1c1000000000000000000100000000000003ea010000000568656c6c6f <nil>
}

func ExampleBuilder() {
	b := codec.NewBuilder(nil)
	b.Open("iq")
	b.Attr("type", "get")
	b.Open("bundle")
	b.AttrUser("user", 1002)
	b.Close()
	b.Close()
	body, err := b.Finish()
	if err != nil {
		fmt.Println(err)
		return
	}
	var tape codec.Tape
	if err := tape.Parse(&codec.Node{Body: body}); err != nil {
		fmt.Println(err)
		return
	}
	user, _ := tape.Root().First().Attr("user").User()
	fmt.Println(len(body), "bytes ask for the bundle of", user)
	// Output: 14 bytes ask for the bundle of 1002
}
