package store

import "time"

// journalClock is the journal's time; tests have their own.
type journalClock interface {
	now() time.Time
	// alarm makes an alarm that is off. f runs on a goroutine of its own, or on the one that advances a test's clock.
	alarm(f func()) journalAlarm
}

// journalAlarm calls its function once after Reset; *time.Timer is one.
type journalAlarm interface {
	Reset(d time.Duration) bool
	Stop() bool
}

// systemClock is the system's time.
type systemClock struct{}

func (systemClock) now() time.Time { return time.Now() }

func (systemClock) alarm(f func()) journalAlarm {
	t := time.AfterFunc(time.Hour, f)
	t.Stop()
	return t
}
