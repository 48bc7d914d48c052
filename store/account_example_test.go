package store_test

import (
	"fmt"

	"trunkline/store"
)

func ExampleAccounts() {
	accounts, err := store.OpenMemoryAccounts()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = accounts.Close() }()
	phone := store.Device{User: 1001, Gen: 7, Static: [32]byte{1}}
	if err := accounts.Apply(&store.AccountChange{Device: &phone}); err != nil {
		fmt.Println(err)
	}
	known, err := accounts.Device(1001, 0)
	fmt.Println(known.Gen, err)
	_, err = accounts.Device(1002, 0)
	fmt.Println(err)
	// Output:
	// 7 <nil>
	// store: no such device
}
