package wirecases

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strings"

	"trunkline/codec"
)

// deflated compresses as any client may: raw DEFLATE.
func deflated(b []byte) []byte { return deflatedAt(flate.BestCompression, b) }

func deflatedAt(level int, b []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	return out.Bytes()
}

// largeNode is an iq that holds n bytes of text.
func largeNode(n int) []byte {
	return append(append(unhex("fd 00 01 f1"), byte(n>>8), byte(n)), repeat('a', n)...)
}

// query is <iq type="set" to="1002" version="300"><item>hey</item><item/></iq>.
const query = "fd 03 01 09 0d 0a e9 03ea 1c e1 012c fa fd 00 11 f0 03 686579 fc 00 11 fb"

// nested is n nodes inside each other.
func nested(n int) string {
	s := "fc 00 11"
	for range n - 1 {
		s = "fd 00 11 fa" + s + "fb"
	}
	return s
}

// items is a node with a list of n numbers: n + 3 values.
func items(n int) string {
	return "fd 00 01 fa" + strings.Repeat("e0 01", n) + "fb"
}

// attrs is a node with n attributes.
func attrs(n int) string {
	s := fmt.Sprintf("fc %02x 01", n)
	for i := range n {
		s += fmt.Sprintf("f0 01 %02x e0 01", 'A'+i)
	}
	return s
}

func nodeCases() []Case {
	cases := nodeFrameCases()
	cases = append(cases, nodeBodyCases()...)
	return append(cases, nodeDeflateCases()...)
}

func nodeFrameCases() []Case {
	k := codec.KindNode
	packed := deflated(largeNode(600))
	return []Case{
		good(up, k, "a NODE is a name, attributes and children", "20 20 00 00000004"+query, codec.Node{Ref: 4, Body: unhex(query)}),
		good(down, k, "a NODE needs neither attributes nor content", "09 20 00 00000004 fc 00 01", codec.Node{Ref: 4, Body: unhex("fc 00 01")}),
		good(up, k, "the extension block lies before the node", "0d 20 01 00000004 0002 0500 fc 00 01",
			codec.Node{Ref: 4, Ext: codec.Ext{5, 0}, Body: unhex("fc 00 01")}),
		{Name: "a NODE of 512 bytes and more may be compressed", Bytes: frame(k, codec.FlagDeflate, unhex("00000004"), packed), Kind: k, Dir: up,
			Want: Accepted, Value: codec.Node{Ref: 4, Flags: codec.FlagDeflate, Body: packed}},
		goodNode("an empty list is a content", "fd 00 01 fa fb"),
		goodNode("a list may hold numbers, users, texts, tokens and lists", "fd 00 01 fa e0 00 e8 05 f0 00 09 fa fb fb"),
		goodNode("eight nodes inside each other are the most", nested(8)),
		goodNode("4,096 values are the most", items(4093)),
		goodNode("32 attributes are the most", attrs(32)),
		goodNode("the largest number has eight bytes", "fd 00 01 e7 ffffffffffffffff"),
		goodNode("a name may be a two-byte token or a text", "fd 01 d844 f0 03 663a6f e0 07 d800"),

		bad(up, k, "a NODE without a node is refused", "06 20 00 00000004", codec.ErrBodyLength),
		badHead(up, k, "a NODE without its whole ref is refused", "05 20 00 000000", codec.ErrBodyLength),
		bad(up, k, "a NODE whose block is cut is refused", "08 20 01 00000004 0009", codec.ErrExt),
		bad(up, k, "a NODE with a critical extension is refused", "0d 20 01 00000004 0002 8000 fc 00 01", codec.ErrExtCritical),
		badHead(up, k, "a NODE takes no group flag", "09 20 02 00000004 fc 00 01", codec.ErrFlags),
	}
}

func nodeBodyCases() []Case {
	return []Case{
		badNode("a token is no node", "01", codec.ErrNodePlace),
		badNode("a list is no node", "fa fb", codec.ErrNodePlace),
		badNode("a node ends before its count", "fc", codec.ErrNodeLength),
		badNode("a node ends before its name", "fc 00", codec.ErrNodeLength),
		badNode("a node ends before its attribute", "fc 01 01", codec.ErrNodeLength),
		badNode("a node ends before its attribute's value", "fc 01 01 08", codec.ErrNodeLength),
		badNode("a node ends before its content", "fd 00 01", codec.ErrNodeLength),
		badNode("a list has no end", "fd 00 01 fa 01", codec.ErrNodeLength),
		badNode("a byte follows the node", "fc 00 01 00", codec.ErrNodeLength),
		badNode("a second node follows the node", "fc 00 01 fc 00 01", codec.ErrNodeLength),
		badNode("a number ends early", "fd 00 01 e3 010203", codec.ErrNodeLength),
		badNode("a two-byte token ends early", "fd 00 01 d8", codec.ErrNodeLength),
		badNode("bytes end before their length", "fd 00 01 f1 01", codec.ErrNodeLength),
		badNode("bytes end before their end", "fd 00 01 f0 03 6162", codec.ErrNodeLength),
		badNode("16 MB of bytes are announced", "fd 00 01 f2 ffffff", codec.ErrNodeLength),
		badNode("tag 0 has no meaning", "fd 00 01 00", codec.ErrNodeTag),
		badNode("a one-byte token that the dictionary does not have", "fd 00 01 c7", codec.ErrNodeTag),
		badNode("a two-byte token that the dictionary does not have", "fd 00 01 df ff", codec.ErrNodeTag),
		badNode("tag f3 has no meaning", "fd 00 01 f3", codec.ErrNodeTag),
		badNode("tag ff has no meaning", "fd 00 01 ff", codec.ErrNodeTag),
		badNode("a number is no name", "fc 00 e0 01", codec.ErrNodePlace),
		badNode("an empty text is no name", "fc 00 f0 00", codec.ErrNodePlace),
		badNode("a list is no name", "fc 00 fa fb", codec.ErrNodePlace),
		badNode("a user is no key", "fc 01 01 e8 05 01", codec.ErrNodePlace),
		badNode("a list is no attribute", "fc 01 01 08 fa fb", codec.ErrNodePlace),
		badNode("a node is no attribute", "fc 01 01 08 fc 00 01", codec.ErrNodePlace),
		badNode("a child without a list is no content", "fd 00 01 fc 00 01", codec.ErrNodePlace),
		badNode("an end without a list", "fd 00 01 fb", codec.ErrNodePlace),
		badNode("a number with a leading zero byte", "fd 00 01 e1 0005", codec.ErrNodeForm),
		badNode("a zero of two bytes", "fd 00 01 e1 0000", codec.ErrNodeForm),
		badNode("a user with a leading zero byte", "fd 00 01 e9 0005", codec.ErrNodeForm),
		badNode("a length in two bytes that fits one", "fd 00 01 f1 0001 61", codec.ErrNodeForm),
		badNode("a length in three bytes that fits two", "fd 00 01 f2 000001 61", codec.ErrNodeForm),
		badNode("a text that is a token", "fd 00 01 f0 02 6971", codec.ErrNodeForm),
		badNode("a key that stands twice", "fc 02 01 08 e0 01 08 e0 02", codec.ErrNodeForm),
		badNode("a text as key that stands twice", "fc 02 01 f0 01 5a e0 01 f0 01 5a e0 02", codec.ErrNodeForm),
		badNode("nine nodes inside each other", nested(9), codec.ErrNodeLimit),
		badNode("nine lists inside each other", "fd 00 01 fa fa fa fa fa fa fa fa fa", codec.ErrNodeLimit),
		badNode("4,097 values", items(4094), codec.ErrNodeLimit),
		badNode("33 attributes", attrs(33), codec.ErrNodeLimit),
	}
}

func nodeDeflateCases() []Case {
	packed := deflated(largeNode(600))
	bomb := deflated(append(unhex("fd 00 01 f2 03ffff"), repeat('a', 0x3ffff)...))
	refused := func(name string, body []byte, err error) Case {
		return Case{
			Name: name, Bytes: frame(codec.KindNode, codec.FlagDeflate, unhex("00000001"), body), Kind: codec.KindNode,
			Dir: up, Want: Refused, WantErr: err,
		}
	}
	return []Case{
		refused("a compressed node of less than 512 bytes", deflated(largeNode(500)), codec.ErrNodeForm),
		refused("a compressed node that is not shorter", deflatedAt(flate.NoCompression, largeNode(600)), codec.ErrNodeForm),
		refused("a compressed node whose stream is cut", packed[:len(packed)-1], codec.ErrInflate),
		refused("a byte behind the compressed node", append(packed[:len(packed):len(packed)], 0), codec.ErrInflate),
		refused("a node that says it is compressed and is not", largeNode(600), codec.ErrInflate),
		refused("a compressed node that expands above 256 KiB", bomb, codec.ErrInflateTooLarge),
		refused("a compressed node with a mistake inside", deflated(append(largeNode(600), 0)), codec.ErrNodeLength),
	}
}

func goodNode(name, hexBody string) Case {
	body := unhex(hexBody)
	return Case{
		Name: name, Bytes: frame(codec.KindNode, 0, unhex("00000001"), body), Kind: codec.KindNode, Dir: codec.ToServer,
		Want: Accepted, Value: codec.Node{Ref: 1, Body: body},
	}
}
