package bench

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// fakeAdmin answers /status with whatever document is set.
func fakeAdmin(t *testing.T) (set func(status string), asked *atomic.Int64, s *target) {
	t.Helper()
	var now atomic.Pointer[string]
	asked = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if text := now.Load(); text != nil {
			_, _ = w.Write([]byte(*text))
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	set = func(status string) {
		if !json.Valid([]byte(status)) {
			t.Fatalf("not JSON: %s", status)
		}
		now.Store(&status)
	}
	return set, asked, &target{admin: strings.TrimPrefix(server.URL, "http://"), http: server.Client()}
}

// stillRecorder is a recorder that takes samples when the test says so.
func stillRecorder(r *Report) *recorder {
	rec := &recorder{report: r, p: newProgress(nil), began: r.Started, cancel: func() {}, ended: make(chan struct{})}
	close(rec.ended)
	rec.series.EverySeconds = sampleEvery.Seconds()
	return rec
}

func TestARecorderSumsOverAServerThatIsStartedAnew(t *testing.T) {
	set, _, server := fakeAdmin(t)
	report := newReport("mix", nil)
	report.wholeRun = true
	rec := stillRecorder(report)
	rec.attach(server, serverStatus{})
	ctx, began := context.Background(), report.Started
	look := func(after time.Duration, status string) {
		set(status)
		rec.sample(ctx, began.Add(after))
	}
	look(1*time.Second, `{"pid":1,"uptime_seconds":1,"connections":0,"sessions":0,"memory":{"rss_bytes":1000000,"gc_cycles":1},"cpu":{"gc_seconds":0.5},"gc":{"pauses":[{"up_to_ms":0.5,"count":1}]},"kernel":{"socket_bytes":1000}}`)
	look(2*time.Second, `{"pid":1,"uptime_seconds":2,"accepted":2000,"connections":2000,"sessions":2000,"messages_acked":100,"memory":{"rss_bytes":3000000,"gc_cycles":3},"cpu":{"user_seconds":1,"gc_seconds":1.5},"gc":{"pauses":[{"up_to_ms":0.5,"count":2},{"up_to_ms":8,"count":1}]},"kernel":{"socket_bytes":5001000}}`)
	look(3*time.Second, `{"pid":2,"uptime_seconds":0.5,"connections":10,"sessions":10,"messages_acked":50,"memory":{"rss_bytes":900000,"gc_cycles":2},"cpu":{"system_seconds":0.5,"gc_seconds":0.25},"gc":{"pauses":[{"up_to_ms":4,"count":1}]}}`)
	rec.stop()
	for _, row := range []struct {
		name string
		got  *float64
		want float64
	}{
		{"gc_cpu_ms_per_cycle", report.GCCPUMsPerCycle, 350}, // 1.75 s over 5 cycles
		{"gc_pause_max_ms", report.GCPauseMaxMs, 8},
		{"cpu_us_per_message", report.CPUUsPerMessage, 10_000}, // 1.5 s over 150 messages
		{"server_rss_bytes_per_session", report.RSSBytesPerSession, 1_000},
		{"kernel_bytes_per_connection", report.KernelBytesPerConnection, 2_500},
	} {
		if row.got == nil || *row.got != row.want {
			t.Errorf("%s is %s, want %v", row.name, number(row.got, 3), row.want)
		}
	}
	if report.Series == nil || len(report.Series.Points) < 3 {
		t.Fatalf("the series is %+v", report.Series)
	}
	if p := report.Series.Points[1].Server; p.MessagesPerSecond != 100 || p.CPUCores != 1 || p.GCCycles != 2 || *p.GCPauseMaxMs != 8 {
		t.Errorf("the second point is %+v", p)
	}
	if p := report.Series.Points[2].Server; p.MessagesPerSecond != 100 || p.GCCycles != 2 || *p.GCPauseMaxMs != 4 {
		t.Errorf("the server that was started anew is %+v", p)
	}
}

func TestARecorderLeavesAServerAloneThatIsWeighed(t *testing.T) {
	set, asked, server := fakeAdmin(t)
	set(`{"pid":1}`)
	rec := stillRecorder(newReport("connect", nil))
	rec.attach(server, serverStatus{})
	rec.follow(func() load { return load{connections: 7} })
	release := rec.hold()
	rec.sample(context.Background(), time.Now())
	if n := asked.Load(); n != 0 {
		t.Errorf("asked %d times while it was held", n)
	}
	release()
	rec.sample(context.Background(), time.Now())
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times afterwards", n)
	}
	points := rec.series.Points
	if len(points) != 2 || points[0].Server != nil || points[0].Load.Connections != 7 || points[1].Server == nil {
		t.Errorf("points are %+v", points)
	}
}

func TestAServerThatDoesNotAnswerIsNoPoint(t *testing.T) {
	_, _, server := fakeAdmin(t)
	report := newReport("message", nil)
	rec := stillRecorder(report)
	rec.attach(server, serverStatus{})
	rec.sample(context.Background(), time.Now())
	rec.detach(server)
	rec.stop()
	if report.Series != nil || report.GCPauseMaxMs != nil {
		t.Errorf("%+v, pause %v", report.Series, report.GCPauseMaxMs)
	}
	var none *recorder
	none.attach(server, serverStatus{})
	none.phase("a")
	none.follow(nil)
	none.sample(context.Background(), time.Now())
	none.hold()()
	none.detach(server)
	none.stop()
}

func TestAnInterruptedRunAnswersWithWhatItHas(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r, err := newReport("message", nil).ended(ctx, ErrServer)
	if r != nil || err == nil {
		t.Errorf("a run that failed answers with %v, %v", r, err)
	}
	cancel()
	r, err = newReport("message", nil).ended(ctx, ctx.Err())
	if r == nil || !r.Aborted || err == nil {
		t.Errorf("an interrupted run answers with %v, %v", r, err)
	}
	if r, err = newReport("message", nil).ended(ctx, nil); err != nil || r.Aborted {
		t.Errorf("a run that was done before answers with %v, %v", r, err)
	}
}
