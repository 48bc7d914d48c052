package tuning

// counterNames are all counters in their order, with unit and meaning. docs/tuning.md lists them.
var counterNames = []struct{ name, unit, meaning string }{
	{"sockets", "sockets", "sockets of all kinds and processes"},
	{"tcp", "connections", "TCP connections that the kernel keeps, whatever their state"},
	{"established", "connections", "those that are open"},
	{"time_wait", "connections", "those that this side closed first; refused: dropped early"},
	{"orphans", "connections", "those that no process has any more (Linux)"},
	{"files", "files", "open files of all processes"},
	{"descriptors", "files", "open files of the process that is watched"},
	{"knotes", "knotes", "registrations on kqueues (FreeBSD)"},
	{"mbufs", "mbufs", "network buffers (FreeBSD); refused: allocations that failed or waited"},
	{"mbuf_clusters", "clusters", "their clusters of 2 KiB; refused: the same"},
	{"mbuf_jumbo_pages", "clusters", "their clusters of a page; refused: the same"},
	{"socket_memory", "pages", "what the buffers of all TCP sockets hold (Linux); refused: connections killed for want of it"},
	{"syncache", "connections", "half-open connections (FreeBSD); refused: thrown out because a bucket or all of it was full"},
	{"syncookies", "connections", "refused: connects answered from a cookie because there was no room for half-open ones"},
	{"listen_overflows", "connections", "refused: connections dropped because the queue of an accepting socket was full"},
	{"hostcache", "peers", "addresses that something was learned of (FreeBSD); refused: replaced in a full bucket"},
	{"conntrack", "connections", "what the firewall follows (Linux)"},
	{"memory", "bytes", "memory that is in use and can't be given away at once"},
}

// counterList collects counters in their order; those that the system tells nothing of are left out.
type counterList struct{ rows Counters }

func (c *counterList) add(name string, used, limit, refused int64) {
	c.addItem(name, used, limit, refused, NotTold)
}

func (c *counterList) addItem(name string, used, limit, refused, itemBytes int64) {
	if used == NotTold && refused == NotTold {
		return
	}
	unit := ""
	for _, known := range counterNames {
		if known.name == name {
			unit = known.unit
		}
	}
	c.rows = append(c.rows, Counter{Name: name, Unit: unit, Used: used, Limit: limit, Refused: refused, ItemBytes: itemBytes})
}

// told64 is a number of a list, or NotTold.
func told64(list map[string]int64, key string) int64 {
	if n, ok := list[key]; ok {
		return n
	}
	return NotTold
}

// at is the i-th number, or NotTold.
func at(list []int64, i int) int64 {
	if i < len(list) {
		return list[i]
	}
	return NotTold
}
