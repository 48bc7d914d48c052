//go:build freebsd || darwin

package netpoll

// gnetShortfalls are what gnet's kqueue poller does not meet.
func gnetShortfalls() map[string]string {
	return map[string]string{
		"an event that is stale by the middle of its batch keeps its tag": "gnet reports the number of the descriptor, which has another owner by then",
		"OnBatch comes before the events of the next poll":                "gnet has no end of a batch: a task that it runs after the next poll stands for it",
		"a removed descriptor does not rouse the loop":                    "gnet's Delete does nothing, so the kernel goes on reporting",
		"descriptor 0 is a socket like any other":                         "gnet takes ident 0 of any filter for its bell",
	}
}
