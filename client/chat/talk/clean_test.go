package talk

import (
	"strings"
	"testing"
	"unicode"
)

func TestNothingThatATerminalObeysIsLeft(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ntext":                      "plain\ntext",
		"\x1b[31mred\x1b[0m":               "\ufffd[31mred\ufffd[0m",
		"a\r\nb\rc":                        "a\nb c",
		"tab\there":                        "tab    here",
		"bell\a back\b nul\x00":            "bell\ufffd back\ufffd nul\ufffd",
		"c1 \u009b31m":                     "c1 \ufffd31m",
		"bad \xff utf8":                    "bad \ufffd utf8",
		"rtl \u202e override":              "rtl \ufffd override",
		"zero\u200bwidth":                  "zero\ufffdwidth",
		"family 👩‍👩‍👧":                     "family 👩‍👩‍👧",
		"heart ❤️":                         "heart ❤️",
		"日本語 e\u0301":                      "日本語 e\u0301",
		"z" + strings.Repeat("\u0301", 50): "z" + strings.Repeat("\u0301", marksMax),
		"line\u2028sep":                    "line\ufffdsep",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) is %q, want %q", in, got, want)
		}
	}
	if got := CleanLine("a\nb"); got != "a⏎b" {
		t.Errorf("CleanLine: %q", got)
	}
	if got := Brief("👩‍👩‍👧 ❤️ 👍🏽\n"); got != "👩👩👧 ❤ 👍⏎" {
		t.Errorf("Brief: %q", got)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, in string) {
		for _, r := range Clean(in) {
			if r != '\n' && r != joiner && !unicode.IsPrint(r) {
				t.Errorf("%q leaves %U", in, r)
			}
		}
		if strings.Contains(CleanLine(in), "\n") {
			t.Errorf("%q leaves a line end", in)
		}
	})
}
