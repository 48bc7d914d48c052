package tuning_test

import (
	"fmt"

	"trunkline/tuning"
)

// A box that is written down is checked like the running one, which is tuning.Live(0).
func ExampleCheck() {
	box, err := tuning.ReadFixture("testdata/freebsd14.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := tuning.Check(box, tuning.Load{Connections: 2_400_000})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Verdict)
	for _, row := range report.Rows {
		if row.Verdict == tuning.Short {
			fmt.Printf("%s: %v, set it to %v\n", row.Limit.Name, row.Have, row.Set)
		}
	}
	// Output:
	// short
	// kern.maxfiles: 1043924, set it to 3008192
	// kern.maxfilesperproc: 939528, set it to 2800256
	// kern.ipc.maxsockets: 1043924, set it to 2497024
	// RLIMIT_NOFILE: 939528, set it to 2400256
	// kern.ipc.soacceptqueue: 128, set it to 32768
}

func ExamplePlan() {
	box, err := tuning.ReadFixture("testdata/freebsd14.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	capacity, err := tuning.Plan(box, tuning.Load{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d connections, stopped by %s; its memory holds %d\n", capacity.Connections, capacity.StoppedBy, capacity.Reachable)
	// Output:
	// 939272 connections, stopped by kern.maxfilesperproc; its memory holds 7317561
}
