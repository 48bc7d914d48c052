package tuning

import (
	"errors"
	"strings"
	"testing"
)

func TestSplitBlockKnowsDamagedMarkers(t *testing.T) {
	begin, end := BlockBegin+"\n", BlockEnd+"\n"
	for _, row := range []struct {
		name, text string
		block      string
		bad        bool
	}{
		{"an empty file has no block", "", "", false},
		{"a file of others has no block", "a=1\n# comment\n", "", false},
		{"a block at the start", begin + "x\n" + end + "a\n", begin + "x\n" + end, false},
		{"a block at the end, without a last newline", "a\n" + begin + BlockEnd, begin + BlockEnd, false},
		{"markers with blanks and a carriage return around them", "a\n  " + BlockBegin + " \r\nx\n" + BlockEnd + "\r\nb\n", "  " + BlockBegin + " \r\nx\n" + BlockEnd + "\r\n", false},
		{"a marker within a line is none", "x=\"" + BlockBegin + "\"\n", "", false},
		{"BEGIN alone", begin + "x\n", "", true},
		{"END alone", "x\n" + end, "", true},
		{"END before BEGIN", end + begin, "", true},
		{"two BEGIN", begin + begin + end, "", true},
		{"two END", begin + end + end, "", true},
		{"two blocks", begin + end + begin + end, "", true},
		{"a marker that somebody has changed", "# BEGIN trunkline, mine\nx\n" + end, "", true},
	} {
		m, err := splitBlock([]byte(row.text))
		if (err != nil) != row.bad || err != nil && !errors.Is(err, ErrMarkers) {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if string(m.block) != row.block || !row.bad && string(m.before)+string(m.block)+string(m.after) != row.text {
			t.Errorf("%s: %q, %q, %q", row.name, m.before, m.block, m.after)
		}
	}
}

// FuzzSplitBlock: a block goes in and comes out, and the rest of the file stays as it is, byte for byte.
func FuzzSplitBlock(f *testing.F) {
	f.Add("a=1\n"+BlockBegin+"\nx\n"+BlockEnd+"\nb", "y\n")
	f.Add("a=1", "")
	f.Add(BlockEnd, BlockBegin)
	f.Fuzz(func(t *testing.T, text, inside string) {
		m, err := splitBlock([]byte(text))
		if err != nil {
			return
		}
		if strings.Contains(inside, "trunkline") || inside != "" && !strings.HasSuffix(inside, "\n") {
			return
		}
		block := BlockBegin + "\n" + inside + BlockEnd + "\n"
		next, err := m.with([]byte(block))
		if errors.Is(err, ErrContinued) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		again, err := splitBlock(next)
		if err != nil || string(again.block) != block {
			t.Fatalf("%q with a block is %q: %v", text, next, err)
		}
		rest := string(m.outside())
		if got := string(again.outside()); got != rest && got != rest+"\n" {
			t.Fatalf("the rest was %q and is %q", rest, got)
		}
	})
}

func TestConfLinesReadWhatTheSystemsRead(t *testing.T) {
	lines := confLines([]byte("# kern.maxfiles=1\nkern.maxfiles=2 # two\nkern.maxfiles = 3\n-net/ipv4/tcp_mem = 1 2\t3\nboot=\"4M\"\n; x=1\nnonsense\nu='unlimited'\ne=\nbig=9999999999G\n"))
	for _, row := range []struct {
		name string
		want Value
	}{
		{"kern.maxfiles", Number(3)}, {"net.ipv4.tcp_mem", List(1, 2, 3)}, {"boot", Number(4 << 20)}, {"u", Number(Unlimited)},
		{"x", Value{}}, {"nonsense", Value{}}, {"e", Value{}}, {"big", Word("9999999999G")},
	} {
		if got := lastOf(lines, row.name); got != row.want {
			t.Errorf("%s is %v, want %v", row.name, got, row.want)
		}
	}
}

func TestSettleLowersOnlyWhenTold(t *testing.T) {
	rules := [ValueNumbersMax]Rule{AtLeast, AtMost, Equal}
	l := &Limit{Rules: rules}
	for _, row := range []struct {
		name        string
		have, need  Value
		lower, held bool
		want        Value
	}{
		{"all are better or equal", List(9, 1, 5), List(5, 5, 5), false, false, List(9, 1, 5)},
		{"told to lower, what is more than needed stays", List(9, 1, 5), List(5, 5, 5), true, false, List(9, 1, 5)},
		{"all are worse and must rise, or fall", List(1, 9, 9), List(5, 5, 5), false, true, List(5, 9, 9)},
		{"the same, told to lower", List(1, 9, 9), List(5, 5, 5), true, false, List(5, 5, 5)},
		{"equal may rise", List(5, 5, 0), List(5, 5, 1), false, false, List(5, 5, 1)},
		{"nothing is known", Value{}, List(5, 5, 5), false, false, List(5, 5, 5)},
		{"another shape", Number(7), List(5, 5, 5), false, false, List(5, 5, 5)},
		{"a word", Word("a"), Word("b"), false, false, Word("b")},
	} {
		got, held := settle(l, row.have, row.need, row.need, row.lower)
		if got != row.want || held != row.held {
			t.Errorf("%s: %v, held %v; want %v, %v", row.name, got, held, row.want, row.held)
		}
	}
	if got, _ := settle(&Limit{Rules: [ValueNumbersMax]Rule{Any, AtLeast}}, List(7, 1), List(100, 2), List(100, 2), true); got != List(7, 2) {
		t.Errorf("a number that nobody judges became %v", got)
	}
}
