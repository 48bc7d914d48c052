package secure_test

import (
	"fmt"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// must keeps the examples short: what fails in them is a mistake in this package.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A first contact, both ends in one place: two flights, then records.
func Example() {
	serverKey := must(secure.GenerateKey(nil))
	pinned := serverKey.Public()
	deviceKey := must(secure.GenerateKey(nil))

	initiator, flight, err := secure.StartContact(&deviceKey, &pinned, nil)
	if err != nil {
		panic(err)
	}
	responder := must(secure.NewResponder(&serverKey, nil))
	answer, device, server, err := responder.Contact(nil, flight)
	fmt.Println("the server knows the device:", device == deviceKey.Public(), err)

	reply, _, err := secure.ParseReply(answer)
	if err != nil {
		panic(err)
	}
	client := must(initiator.Finish(reply.Body))
	input := must(client.Seal(nil, codec.AppendPing(nil)))

	plain, at, err := server.Plain(input)
	fmt.Printf("% x at %d, %v\n", plain, at, err)
	used := at + len(plain) + server.Consume(len(plain))
	fmt.Println("the whole input is used:", used == len(input))
	// Output:
	// the server knows the device: true <nil>
	// 02 01 00 at 2, <nil>
	// the whole input is used: true
}

// A device comes back: its first flight has a ticket and what it has to say.
func ExampleResponder_Resume() {
	serverKey := must(secure.GenerateKey(nil))
	responder := must(secure.NewResponder(&serverKey, nil))
	var keys secure.TicketKeys
	if err := keys.Rotate(1_700_000_000, nil); err != nil {
		panic(err)
	}
	psk := [32]byte{1} // random, drawn for each ticket
	sealed := must(keys.Seal(nil, &secure.Ticket{User: 1001, Gen: 7, PSK: psk}, nil))
	_, flight, err := secure.StartResume(sealed, &psk, codec.AppendPing(nil), nil)
	if err != nil {
		panic(err)
	}

	ticket := must(keys.Open(secure.FlightTicket(flight)))
	_, link, at, err := responder.Resume(nil, flight, &ticket.PSK)
	if err != nil {
		panic(err)
	}
	early, _, err := link.Plain(flight[at:])
	fmt.Printf("user %d says % x, %v\n", ticket.User, early, err)
	fmt.Println("it may be a replay:", !link.Confirmed())
	// Output:
	// user 1001 says 02 01 00, <nil>
	// it may be a replay: true
}

// A key that was copied wrong is told at once.
func ExampleServerKey() {
	key := secure.ServerKey{Static: secure.PublicKey{1}}
	text := key.String()
	back, err := secure.ParseServerKey(text)
	fmt.Println(len(text), back == key, err)
	_, err = secure.ParseServerKey(text[:20] + "x" + text[21:])
	fmt.Println(err)
	// Output:
	// 96 true <nil>
	// secure: not a server key: a typing error, the checksum is wrong
}
