package mysql

import (
	"errors"
	"fmt"
	"slices"

	mysql "github.com/go-sql-driver/mysql"

	"trunkline/store"
)

// Numbers of errors of the server, as both MySQL and MariaDB document them.
const (
	serverFull          = 1021 // the disk is full
	serverConnections   = 1040 // too many connections
	serverDenied        = 1045 // user or password
	serverDeniedNoWord  = 1698 // the same, without a password
	serverDeniedBase    = 1044 // this database
	serverNoBase        = 1049
	serverShutdown      = 1053
	serverDuplicate     = 1062
	serverTableFull     = 1114
	serverNoTable       = 1146
	serverLockWait      = 1205
	serverDeadlock      = 1213
	serverOption        = 1290 // read only
	serverInterrupted   = 1317
	serverReadOnlyTx    = 1792
	serverReadOnly      = 1836
	serverKilled        = 1927
	serverUserMany      = 1203 // of one user's connections
	serverNoStatement   = 1243 // prepared on another connection
	serverRepreparation = 1615
)

// verdict is what an error means for the call that met it.
type verdict int

const (
	stands verdict = iota // it is the answer
	again                 // another try may find it otherwise
	lost                  // there was no answer: another try, and the shard may be gone
)

// judge tells answers from troubles. What is neither ours nor said by the server came from the connection.
func judge(err error) verdict {
	var said *mysql.MySQLError
	switch {
	case err == nil, isAnswer(err), errors.Is(err, store.ErrAccountsDamaged):
		return stands
	case errors.Is(err, errUnsure):
		return lost
	case errors.As(err, &said):
		return judgeNumber(said.Number)
	}
	return lost
}

func judgeNumber(number uint16) verdict {
	switch number {
	case serverDeadlock, serverLockWait, serverDuplicate, serverNoStatement, serverRepreparation: // the transaction is rolled back
		return again
	case serverConnections, serverUserMany, serverShutdown, serverInterrupted, serverKilled, serverOption, serverReadOnlyTx, serverReadOnly:
		return lost
	}
	return stands
}

// rolledBack says of an error of COMMIT that nothing was committed. Of all others nobody knows.
func rolledBack(err error) bool {
	var said *mysql.MySQLError
	if !errors.As(err, &said) {
		return false
	}
	switch said.Number {
	case serverDeadlock, serverLockWait, serverOption, serverReadOnlyTx, serverReadOnly:
		return true
	}
	return false
}

// ours makes an answer of the server an error of store. What is ours already stays as it is.
func ours(err error, unsure bool) error {
	var said *mysql.MySQLError
	if !errors.As(err, &said) {
		return err
	}
	err = plain(err)
	switch said.Number {
	case serverFull, serverTableFull:
		return fmt.Errorf("%w: %w", store.ErrDiskFull, err)
	case serverNoTable:
		return fmt.Errorf("%w: %w", store.ErrAccountsDamaged, err)
	}
	return away(err, unsure)
}

// plain is an error without what it says of the user: the server names it and the host that it saw.
func plain(err error) error {
	var said *mysql.MySQLError
	if !errors.As(err, &said) {
		return err
	}
	switch said.Number {
	case serverDenied, serverDeniedNoWord:
		return fmt.Errorf("the server refuses this user or its password (error %d)", said.Number)
	case serverDeniedBase:
		return fmt.Errorf("the server does not let this user into the database (error %d)", said.Number)
	case serverNoBase:
		return fmt.Errorf("the server has no such database (error %d)", said.Number)
	}
	return fmt.Errorf("error %d of the server: %s", said.Number, said.Message)
}

// answers are the errors that callers expect, and compare: they stay bare.
var answers = []error{
	store.ErrNoUser, store.ErrNoDevice, store.ErrTokenUnused, store.ErrNoProfile, store.ErrSettingsChanged, store.ErrAccountsClosed,
	store.ErrDevicesFull, store.ErrTokenUsed, store.ErrTokensFull, store.ErrRevocationsFull,
}

func isAnswer(err error) bool {
	return slices.ContainsFunc(answers, func(a error) bool { return errors.Is(err, a) })
}
