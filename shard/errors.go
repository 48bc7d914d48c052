package shard

import "errors"

// errMessage is returned for bytes that are no message between machines. Only a fault of ours makes such bytes.
var errMessage = errors.New("shard: not a message between machines")

// errSnapshot is returned for bytes that are no state of a user or a group: damaged, or of a version that this one does not know.
var errSnapshot = errors.New("shard: not a snapshot of a state")
