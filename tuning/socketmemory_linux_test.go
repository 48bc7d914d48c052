package tuning

import (
	"os"
	"testing"
)

func TestSocketMemoryIsReadFromTheKernelsTables(t *testing.T) {
	page := int64(os.Getpagesize())
	sockstat := "sockets: used 6167\nTCP: inuse 6151 orphan 0 tw 119 alloc 6151 mem 804\nUDP: inuse 0 mem 7\n"
	if got, ok := socketBuffers([]byte(sockstat)); !ok || got != 804*page {
		t.Errorf("buffers are %d, %v", got, ok)
	}
	slabs := "slabinfo - version: 2.1\n# name <active_objs> ...\n" +
		"TCP                 6162   6162   2368   13    8 : tunables    0    0    0 : slabdata    474    470      0\n" +
		"filp                7098   7098    192   21    1 : tunables    0    0    0 : slabdata    338    338      0\n" +
		"dentry            397011 397047    192   21    1 : tunables    0    0    0 : slabdata  18907  18907      0\n"
	if got, ok := slabBytes([]byte(slabs)); !ok || got != (8*470+338)*page {
		t.Errorf("caches are %d, %v", got, ok)
	}
	if got, ok := allSlabs([]byte("MemTotal: 3 kB\nSlab:             123 kB\n")); !ok || got != 123<<10 {
		t.Errorf("all caches are %d, %v", got, ok)
	}
	for what, read := range map[string]func([]byte) (int64, bool){"sockstat": socketBuffers, "slabinfo": slabBytes, "meminfo": allSlabs} {
		for _, text := range []string{"", "TCP: inuse", "TCP: mem x", "TCP 1 2 3 4 5 : tunables 0 0 0 : slabdata x y 0 0", "Slab: kB"} {
			if got, ok := read([]byte(text)); ok {
				t.Errorf("%s of %q is %d", what, text, got)
			}
		}
	}
}

func TestSocketMemoryOfThisMachine(t *testing.T) {
	m, ok := ReadSocketMemory()
	if _, err := os.Stat("/proc/net/sockstat"); err != nil {
		t.Skip("no /proc/net/sockstat here")
	}
	if !ok || m.Bytes <= 0 || m.Source == "" {
		t.Errorf("read %+v, %v", m, ok)
	}
}
