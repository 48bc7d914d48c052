//go:build !race

package server

// raceDetector says that figures of memory mean nothing.
const raceDetector = false
