package wirecases

import (
	"testing"

	"trunkline/codec"
)

func TestTheTableIsWorthItsName(t *testing.T) {
	outcomes, names, kinds := map[Outcome]int{}, map[string]bool{}, map[codec.Kind][2]int{}
	for _, c := range Cases() {
		if c.Name == "" || names[c.Name] {
			t.Errorf("%q stands twice or is empty", c.Name)
		}
		names[c.Name] = true
		outcomes[c.Want]++
		count := kinds[c.Kind]
		if c.Want == Refused {
			count[1]++
		} else {
			count[0]++
		}
		kinds[c.Kind] = count
		if (c.Want == Refused) != (c.WantErr != nil) || c.Want == 0 || c.Dir == 0 {
			t.Errorf("%q: outcome %d, error %v, direction %d do not go together", c.Name, c.Want, c.WantErr, c.Dir)
		}
	}
	if outcomes[Refused] <= outcomes[Accepted]+outcomes[Skipped]+outcomes[Partial] {
		t.Errorf("malformed rows do not outnumber the others: %v", outcomes)
	}
	for k := range codec.Kind(0x80) {
		if count := kinds[k]; k.Known() && (count[0] == 0 || count[1] == 0 && k != codec.KindResume) {
			t.Errorf("%s has %d good and %d malformed rows", k, count[0], count[1])
		}
	}
}
