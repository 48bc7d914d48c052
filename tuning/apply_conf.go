package tuning

import (
	"bytes"
	"strconv"
	"strings"
)

// confLine is one setting in a file of lines like name=value.
type confLine struct {
	name, value string
	line        int // counted from 1
}

// confLines reads sysctl.conf(5), sysctl.d(5), loader.conf(5) and plain settings of rc.conf(5): a name, "=", a value that may be quoted.
// What is no such line is left out: it can't set a limit.
func confLines(text []byte) []confLine {
	var list []confLine
	for i, raw := range bytes.Split(text, []byte("\n")) {
		name, value, found := strings.Cut(string(raw), "=")
		name = strings.TrimPrefix(strings.TrimSpace(name), "-") // sysctl.d: an error of this one is ignored
		if !found || name == "" || strings.HasPrefix(name, "#") || strings.HasPrefix(name, ";") {
			continue
		}
		list = append(list, confLine{strings.ReplaceAll(name, "/", "."), unquote(value), i + 1})
	}
	return list
}

// unquote takes quotes and a comment off the end of a setting.
func unquote(value string) string {
	value = strings.TrimSpace(value)
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		if end := strings.IndexByte(value[1:], value[0]); end >= 0 {
			return value[1 : 1+end]
		}
	}
	value, _, _ = strings.Cut(value, "#")
	return strings.TrimSpace(value)
}

// confValue reads a setting as numbers, with the suffixes that loader.conf(5) allows; as a word if it is none.
func confValue(text string) Value {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return Value{}
	}
	if len(fields) > ValueNumbersMax {
		return Word(text)
	}
	var v Value
	for i, field := range fields {
		n, ok := confNumber(field)
		if !ok {
			return Word(text)
		}
		v.Numbers[i] = n
		v.Count++
	}
	return v
}

func confNumber(text string) (int64, bool) {
	if text == "unlimited" || text == "infinity" {
		return Unlimited, true
	}
	shift := 0
	switch text[len(text)-1] {
	case 'k', 'K':
		shift = 10
	case 'm', 'M':
		shift = 20
	case 'g', 'G':
		shift = 30
	case 't', 'T':
		shift = 40
	}
	if shift > 0 {
		text = text[:len(text)-1]
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil || n > Unlimited>>shift || n < -(Unlimited>>shift) {
		return 0, false
	}
	return n << shift, true
}

// lastOf is what the last line with a name says; none if no line has it.
func lastOf(lines []confLine, name string) (v Value) {
	for _, l := range lines {
		if l.name == name {
			v = confValue(l.value)
		}
	}
	return v
}
