package shard

import "errors"

// errMessage is returned for bytes that are no message between machines. Only a fault of ours makes such bytes.
var errMessage = errors.New("shard: not a message between machines")
