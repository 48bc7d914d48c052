package tuning

import (
	"encoding/json"
	"math"
	"testing"
)

func TestAReleaseIsTheFirstTwoNumbers(t *testing.T) {
	for text, want := range map[string]Release{
		"14.1-RELEASE-p5": {14, 1}, "13.0-CURRENT": {13, 0}, "6.18.44-fc-v595": {6, 18}, "5.4": {5, 4}, "6.8.0-45-generic": {6, 8}, "15.0": {15, 0},
	} {
		if got, err := ParseRelease(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "14", "x.y", "14.", ".1", "14.x", "99999999999999999999.1"} {
		if got, err := ParseRelease(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestReleasesAreOrdered(t *testing.T) {
	for _, row := range []struct {
		a, b Release
		want bool
	}{
		{Release{13, 2}, Release{14, 0}, true}, {Release{14, 0}, Release{14, 0}, false}, {Release{14, 1}, Release{14, 0}, false},
		{Release{14, 0}, Release{14, 1}, true}, {Release{}, Release{1, 0}, true}, {Release{15, 0}, Release{14, 9}, false},
	} {
		if got := row.a.Before(row.b); got != row.want {
			t.Errorf("%v before %v: %v", row.a, row.b, got)
		}
	}
}

func TestValuesComeBackFromTextAndJSON(t *testing.T) {
	for text, v := range map[string]Value{
		"0": Number(0), "128": Number(128), "-1": Number(-1), "9007199254740993": Number(9007199254740993), "unlimited": Number(Unlimited),
		"4096 16384 4194304": List(4096, 16384, 4194304), "1 unlimited": List(1, Unlimited), "TSC-low": Word("TSC-low"), "kvm clock": Word("kvm clock"), "": {},
	} {
		if got := v.String(); got != text {
			t.Errorf("%v as text: got %q", text, got)
		}
		if got := ParseValue(text); got != v {
			t.Errorf("%q: got %+v", text, got)
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var back Value
		if err := json.Unmarshal(out, &back); err != nil || back != v {
			t.Errorf("%s: got %+v, %v", out, back, err)
		}
	}
}

func TestWhatSystemsCallInfiniteIsUnlimited(t *testing.T) {
	for _, text := range []string{"9223372036854775807", "18446744073709551615", "infinity", "unlimited\n", " unlimited "} {
		if got := ParseValue(text); got != Number(Unlimited) {
			t.Errorf("%q: got %+v", text, got)
		}
	}
	if got := ParseValue("1 2 3 4"); got != Word("1 2 3 4") {
		t.Errorf("four numbers: got %+v", got)
	}
	if got := ParseValue("99999999999999999999999"); got.Count != 0 {
		t.Errorf("more than 64 bits: got %+v", got)
	}
}

func TestWhatIsNoValueInJSONIsAnError(t *testing.T) {
	for _, text := range []string{"1.5", "1e30", "true", "{}", "[1]", "99999999999999999999"} {
		var v Value
		if err := json.Unmarshal([]byte(text), &v); err == nil {
			t.Errorf("%s: got %+v", text, v)
		}
	}
}

func TestAListHoldsThreeNumbers(t *testing.T) {
	if got := List(1, 2, 3, 4); got != List(1, 2, 3) {
		t.Errorf("got %+v", got)
	}
	if v := (Value{Count: math.MaxUint8}); v.String() != "0 0 0" {
		t.Errorf("got %q", v)
	}
}

func TestNamesOfEnumerations(t *testing.T) {
	for _, row := range []struct{ got, want string }{
		{FreeBSD.String(), "freebsd"}, {Linux.String(), "linux"}, {OS(0).String(), "none"}, {OS(9).String(), "none"},
		{Loader.String(), "loader"}, {LoginClass.String(), "login class"}, {Hardware.String(), "hardware"},
		{AtLeast.String(), "at least"}, {Any.String(), "any"},
		{Fit.String(), "fit"}, {Advice.String(), "advice"}, {Unknown.String(), "unknown"}, {Short.String(), "short"},
	} {
		if row.got != row.want {
			t.Errorf("got %q, want %q", row.got, row.want)
		}
	}
	if o, err := ParseOS("freebsd"); err != nil || o != FreeBSD {
		t.Errorf("got %v, %v", o, err)
	}
	if _, err := ParseOS("darwin"); err == nil {
		t.Error("darwin has no limits here")
	}
}

func TestVerdictsAreExitCodes(t *testing.T) {
	for v, want := range map[Verdict]int{Fit: 0, Advice: 0, Unknown: 2, Short: 1} {
		if got := v.Exit(); got != want {
			t.Errorf("%v: got %d", v, got)
		}
	}
}
