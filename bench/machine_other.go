//go:build !linux

package bench

import "syscall"

// readKernel reads the kernel's release by sysctl(3); the machine's memory is not read here.
func readKernel() (release string, memoryBytes int64) {
	release, err := syscall.Sysctl("kern.osrelease")
	if err != nil {
		return "", 0
	}
	return release, 0
}
