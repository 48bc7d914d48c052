package server

import "runtime/debug"

// version is the release this tree works towards.
const version = "0.1.0-dev"

// Version is the release, with the first characters of the commit behind a plus sign when the build recorded it.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return version + "+" + s.Value[:12]
		}
	}
	return version
}
