package server

import (
	"fmt"
	"io"
	"text/tabwriter"
	"unsafe"

	"trunkline/codec/secure"
	"trunkline/internal/slab"
	"trunkline/netpoll"
	"trunkline/shard"
	"trunkline/tuning"
)

// MemoryExplanation is every byte of idle encrypted sessions, as the records of this program have it.
type MemoryExplanation struct {
	Sessions int            `json:"sessions"`
	Items    []MemoryItem   `json:"items"`  // of the server's process
	Each     float64        `json:"each"`   // bytes of a session in the server's process
	Bytes    int64          `json:"bytes"`  // of all sessions there, without what the server takes when it is empty
	Kernel   []KernelMemory `json:"kernel"` // of the two systems
}

// MemoryItem is one row: what a session takes of one thing, while it is idle.
type MemoryItem struct {
	Name   string  `json:"name"`
	Record int     `json:"record_bytes"` // the record itself; 0: there is none
	Each   float64 `json:"each_bytes"`   // for each idle session, with the bits and directories that find the record
	Note   string  `json:"note"`
}

// KernelMemory is what one system keeps for a connection; package tuning has the sizes.
type KernelMemory struct {
	OS    string       `json:"os"`
	Parts []KernelPart `json:"parts"`
	Each  int64        `json:"each"`  // bytes of a connection
	Bytes int64        `json:"bytes"` // of all, tables included
}

// KernelPart is one object or table of the kernel.
type KernelPart struct {
	Name  string `json:"name"`
	Each  int64  `json:"each_bytes"`
	Fixed int64  `json:"fixed_bytes"`
	Note  string `json:"note"`
}

// ExplainMemory says what n idle encrypted sessions take, each of a user of its own, on that many loops.
func ExplainMemory(n, loops int) (MemoryExplanation, error) {
	e := MemoryExplanation{Sessions: n}
	slot, slotEach := netpoll.ConnectionBytes()
	session, mailbox, ledger := shard.Sizes()
	link := int(unsafe.Sizeof(secure.Link{}))
	records := float64(slot + session.Record + link + mailbox.Record)
	linkEach := slab.EntryBytes[secure.Link]()
	finding := slotEach + session.Each + linkEach + mailbox.Each - records
	e.Items = []MemoryItem{
		{"slot", slot, float64(slot), "the connection: descriptor, state, what waits"},
		{"timer", 0, 0, "in the slot: three links of the loop's wheel"},
		{"session", session.Record, float64(session.Record), "the login"},
		{"crypto", link, float64(link), "two keys, two nonces"},
		{"mailbox head", mailbox.Record, float64(mailbox.Record), "what the device has and owes; entries that wait come on top"},
		{"index by user", 0, round1(float64(shard.IndexBytes((n+loops-1)/loops)*int64(loops)) / float64(n)), "cells of 8 bytes, 57 to 85 % in use"},
		{"allocator", 0, round1(finding), "bits and directories that find the records, ends of pages"},
		{"ledger", ledger.Record, 0, "only while the disk does not have everything: seconds"},
		{"account cache", 0, 0, "bounded for the process, whoever is logged in"},
		{"table by address", int(unsafe.Sizeof(cell{})), 0, fmt.Sprintf("%d cells, allocated once", AddressCells)},
		{"bytes in and out", 0, 0, "only while something waits"},
	}
	for _, it := range e.Items {
		e.Each += it.Each
	}
	e.Each = round1(e.Each)
	e.Bytes = int64(e.Each * float64(n))
	for _, os := range []tuning.OS{tuning.FreeBSD, tuning.Linux} {
		k, err := explainKernel(os, n, loops)
		if err != nil {
			return e, err
		}
		e.Kernel = append(e.Kernel, k)
	}
	return e, nil
}

// round1 keeps a tenth of a byte.
func round1(v float64) float64 { return float64(int64(v*10+0.5)) / 10 }

// explainKernel is the kernel's part: all of package tuning's model but what is this server's, with nothing that waits.
func explainKernel(os tuning.OS, n, loops int) (KernelMemory, error) {
	k := KernelMemory{OS: os.String()}
	m := tuning.Machine{OS: os, Arch: "amd64", Cores: loops, MemoryBytes: 1 << 40, PageBytes: 4096}
	l, err := tuning.Load{Connections: int64(n), Loops: loops, StalledPerMille: -1}.Complete(m)
	if err != nil {
		return k, err
	}
	for _, p := range tuning.Memory(l, m, nil).Kernel() {
		k.Parts = append(k.Parts, KernelPart{p.Name, p.Each, p.Fixed, p.Source})
		k.Each += p.Each
		k.Bytes += p.Bytes
	}
	return k, nil
}

// WriteTable writes the explanation for people.
func (e MemoryExplanation) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "%d idle encrypted sessions\tbytes each\t\n", e.Sessions)
	for _, it := range e.Items {
		record := ""
		if it.Record > 0 && it.Each == 0 {
			record = fmt.Sprintf("a record has %d bytes: ", it.Record)
		}
		fmt.Fprintf(t, "  %s\t%.1f\t%s%s\n", it.Name, it.Each, record, it.Note)
	}
	fmt.Fprintf(t, "server\t%.1f\t%.1f MB, beside what an empty server takes\n", e.Each, float64(e.Bytes)/1e6)
	for _, k := range e.Kernel {
		fmt.Fprintf(t, "kernel: %s\t%d\t%.2f GB with its tables\n", k.OS, k.Each, float64(k.Bytes)/1e9)
		for _, p := range k.Parts {
			fixed := ""
			if p.Fixed > 0 {
				fixed = fmt.Sprintf("%.1f MB: ", float64(p.Fixed)/1e6)
			}
			fmt.Fprintf(t, "  %s\t%d\t%s%s\n", p.Name, p.Each, fixed, p.Note)
		}
	}
	return t.Flush()
}
