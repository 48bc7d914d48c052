package tuning

// residentBytes is 0: macOS tells a process its resident size only through Mach calls, which need cgo.
func residentBytes() int64 { return 0 }
