package tuning

import "golang.org/x/sys/unix"

// socketZones are the zones of uma(9) that a TCP socket under kqueue has items in; which of the first three there are depends on the release.
var socketZones = []string{"tcp_inpcb", "tcpcb", "inpcb", "socket", "KNOTE", "Files", "mbuf", "mbuf_cluster", "syncache"}

// ReadSocketMemory adds up the items in use of the zones above. ok is false where no zone can be read.
func ReadSocketMemory() (m SocketMemory, ok bool) {
	for _, zone := range socketZones {
		size, err := unix.SysctlUint32("vm.uma." + zone + ".size")
		if err != nil {
			continue
		}
		used, err := unix.SysctlUint32("vm.uma." + zone + ".stats.current")
		if err != nil {
			continue
		}
		m.Bytes, ok = m.Bytes+int64(size)*int64(used), true
	}
	m.Source = "zones of uma(9) in use"
	return m, ok
}
