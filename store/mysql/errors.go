package mysql

import "errors"

// Errors of Parse and Open. They name the shard by host and database; user and password are in no error and in no line of the log.
var (
	// ErrPlace: a text that does not say where a shard is.
	ErrPlace = errors.New("not a place for accounts")
	// ErrPlacement: the shards are not those, or not in the order, that the users were spread over. Users are never moved.
	ErrPlacement = errors.New("the shards are not as the users were placed")
	// ErrSetUp: a shard can't be made ready: it does not answer, refuses the user, or has no such database.
	ErrSetUp = errors.New("the shard can't be used")
)

// Errors that stay inside.
var (
	// errUnsure: the connection was lost during COMMIT.
	errUnsure = errors.New("the connection was lost during the commit")
	// errBusy: callsMax calls run or wait.
	errBusy = errors.New("too many calls wait for the shard")
	// errLost: the shard has not answered for a while.
	errLost = errors.New("the shard has not answered for a while")
	// errNone: there is no such row.
	errNone = errors.New("no such row")
)
