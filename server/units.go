package server

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"trunkline/shard"
)

// Duration is a time.Duration that flags and the configuration file write as "10s" or "4m".
type Duration time.Duration

// MarshalText writes the shortest form: "4m", not "4m0s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the text form.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// UnmarshalText takes what time.ParseDuration takes, without a sign.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration like 10s or 4m", b)
	}
	*d = Duration(v)
	return nil
}

// Bytes is a number of bytes that flags and the configuration file write as "16MiB", "1GiB" or a plain number.
type Bytes int64

var byteUnits = [...]struct {
	name string
	size int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// MarshalText writes the largest unit that divides the number.
func (n Bytes) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// String is the text form.
func (n Bytes) String() string {
	for _, u := range byteUnits {
		if n > 0 && int64(n)%u.size == 0 {
			return strconv.FormatInt(int64(n)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(n), 10)
}

// UnmarshalText takes a whole number with or without KiB, MiB or GiB behind it.
func (n *Bytes) UnmarshalText(b []byte) error {
	text, size := strings.TrimSpace(string(b)), int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			text, size = strings.TrimSpace(rest), u.size
			break
		}
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 0 || v > math.MaxInt64/size {
		return fmt.Errorf("%q is not a size like 4096, 64KiB or 1GiB", b)
	}
	*n = Bytes(v * size)
	return nil
}

// Rate bounds how often something may happen: Burst at once, and PerSecond in the long run. Flags and the configuration
// file write it as "100/1000", or "none" for no limit. The zero Rate is a default.
type Rate struct {
	PerSecond int
	Burst     int
	None      bool
}

// forShard is the rate as the machines know it.
func (r Rate) forShard() shard.Rate {
	if r.None {
		return shard.Rate{}
	}
	return shard.Rate{PerSecond: r.PerSecond, Burst: r.Burst}
}

// MarshalText writes the text form.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String is the text form.
func (r Rate) String() string {
	if r.None {
		return "none"
	}
	return strconv.Itoa(r.PerSecond) + "/" + strconv.Itoa(r.Burst)
}

// UnmarshalText takes "100/1000", "100" (as much at once as in a second) and "none".
func (r *Rate) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	if text == "none" {
		*r = Rate{None: true}
		return nil
	}
	per, burst, both := strings.Cut(text, "/")
	if !both {
		burst = per
	}
	p, err := strconv.Atoi(per)
	n, err2 := strconv.Atoi(burst)
	if err != nil || err2 != nil || p < 0 || n < 0 {
		return fmt.Errorf("%q is not a rate like 100/1000 (a second / at once) or none", b)
	}
	*r = Rate{PerSecond: p, Burst: n}
	return nil
}
