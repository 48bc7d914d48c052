package tuning

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// String is "freebsd" or "linux", as GOOS.
func (o OS) String() string { return name(o, "freebsd", "linux") }

// ParseOS is the reverse of String.
func ParseOS(text string) (OS, error) {
	for _, o := range []OS{FreeBSD, Linux} {
		if o.String() == text {
			return o, nil
		}
	}
	return 0, fmt.Errorf("tuning: %q is not freebsd or linux", text)
}

// String is "loader", "sysctl", "rlimit", "login class", "socket" or "hardware".
func (k Kind) String() string {
	return name(k, "loader", "sysctl", "rlimit", "login class", "socket", "hardware")
}

// String is "at least", "at most", "equal" or "any".
func (r Rule) String() string { return name(r, "at least", "at most", "equal", "any") }

// String is "fit", "advice", "unknown" or "short".
func (v Verdict) String() string { return name(v, "fit", "advice", "unknown", "short") }

// name is the name of the n-th of some values that count from 1.
func name[T ~uint8](n T, names ...string) string {
	if n < 1 || int(n) > len(names) {
		return "none"
	}
	return names[n-1]
}

// MarshalText is String.
func (o OS) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// MarshalText is String.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// MarshalText is String.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// MarshalText is String.
func (r Release) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseOS.
func (o *OS) UnmarshalText(text []byte) (err error) {
	*o, err = ParseOS(string(text))
	return err
}

// UnmarshalText is ParseRelease.
func (r *Release) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRelease(string(text))
	return err
}

// String is the number, the numbers with a space between them as sysctl(8) prints and takes them, or the word; "" for none.
func (v Value) String() string {
	if v.Count == 0 {
		return v.Text
	}
	parts := make([]string, 0, ValueNumbersMax)
	for _, n := range v.Numbers[:min(int(v.Count), ValueNumbersMax)] {
		if n == Unlimited {
			parts = append(parts, "unlimited")
		} else {
			parts = append(parts, strconv.FormatInt(n, 10))
		}
	}
	return strings.Join(parts, " ")
}

// ParseValue is the reverse of String: numbers if all of text is numbers, else a word.
func ParseValue(text string) Value {
	fields := strings.Fields(text)
	if len(fields) == 0 || len(fields) > ValueNumbersMax {
		return Word(strings.TrimSpace(text))
	}
	var v Value
	for _, f := range fields {
		n, ok := parseNumber(f)
		if !ok {
			return Word(strings.TrimSpace(text))
		}
		v.Numbers[v.Count] = n
		v.Count++
	}
	return v
}

// parseNumber reads a limit as systems write it. What is above 63 bits is infinite to them: they print the most that a variable holds.
func parseNumber(text string) (int64, bool) {
	switch text {
	case "unlimited", "infinity", "unlimit", "inf": // the last two: login.conf(5)
		return Unlimited, true
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		return Unlimited, true
	}
	return 0, false
}

// MarshalJSON is a number, a string for words and for several numbers, null for none.
func (v Value) MarshalJSON() ([]byte, error) {
	switch {
	case v.None():
		return []byte("null"), nil
	case v.Count == 1 && v.Numbers[0] != Unlimited:
		return strconv.AppendInt(nil, v.Numbers[0], 10), nil
	}
	return json.Marshal(v.String())
}

// UnmarshalJSON takes what MarshalJSON gives.
func (v *Value) UnmarshalJSON(text []byte) error {
	var read any
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber() // a limit is a whole number, also above 2^53
	if err := decoder.Decode(&read); err != nil {
		return err
	}
	switch x := read.(type) {
	case nil:
		*v = Value{}
	case json.Number:
		n, err := x.Int64()
		if err != nil {
			return fmt.Errorf("tuning: %s is not a whole number of 64 bits", x)
		}
		*v = Number(n)
	case string:
		*v = ParseValue(x)
	default:
		return fmt.Errorf("tuning: a limit is a number or a string, not %s", text)
	}
	return nil
}
