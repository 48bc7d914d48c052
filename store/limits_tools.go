package store

// Limits of the tools that work on a data directory.
const (
	// ProblemsMax bounds the problems that a check lists, each about 300 bytes. The others are counted.
	ProblemsMax = 1000
)
