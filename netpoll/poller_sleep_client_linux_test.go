package netpoll

import (
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"
)

// sleepPaced sends messages at a steady pace, by the clock, each on the next connection, and takes echoes as they come.
func sleepPaced(every time.Duration) func(c *sleepChild, d time.Duration) int {
	return func(c *sleepChild, d time.Duration) int {
		return sleepPace(c, int(d/every), func() time.Duration { return every })
	}
}

// sleepRandom sends so many messages a second at random distances, as many independent users would.
func sleepRandom(rate float64) func(c *sleepChild, d time.Duration) int {
	return func(c *sleepChild, d time.Duration) int {
		dice := rand.New(rand.NewPCG(1, 2))
		return sleepPace(c, int(rate*d.Seconds()), func() time.Duration {
			return time.Duration(dice.ExpFloat64() / rate * float64(time.Second))
		})
	}
}

func sleepPace(c *sleepChild, total int, gap func() time.Duration) int {
	msg, buf := make([]byte, sleepMessage), make([]byte, 64<<10)
	events := make([]unix.EpollEvent, 64)
	got := 0
	var at unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &at)
	take := func(wait int) {
		n, _ := unix.EpollWait(c.ep, events, wait)
		for i := range events[:max(n, 0)] {
			k, _ := unix.Read(int(events[i].Fd), buf)
			got += max(k, 0)
		}
	}
	for i := range total {
		at = unix.NsecToTimespec(at.Nano() + int64(gap()))
		for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil) == unix.EINTR {
		}
		_, _ = unix.Write(c.fds[i%len(c.fds)], msg)
		take(0)
	}
	for tries := 0; got < total*sleepMessage && tries < 200; tries++ {
		take(10)
	}
	return got / sleepMessage
}

// sleepFull keeps `flight` messages under way on each connection and sends back as many as have come.
func sleepFull(c *sleepChild, d time.Duration, flight int) int {
	buf := make([]byte, 64<<10)
	events := make([]unix.EpollEvent, 512)
	for _, fd := range c.fds {
		_, _ = unix.Write(fd, buf[:flight*sleepMessage])
	}
	got, way := 0, len(c.fds)*flight*sleepMessage
	for end := time.Now().Add(d); way > 0; {
		late := time.Now().After(end)
		n, _ := unix.EpollWait(c.ep, events, 1000)
		if n == 0 {
			break
		}
		for i := range events[:max(n, 0)] {
			fd := int(events[i].Fd)
			k, _ := unix.Read(fd, buf)
			if k = max(k, 0); k == 0 {
				continue
			}
			got += k
			if late {
				way -= k
				continue
			}
			_, _ = unix.Write(fd, buf[:k])
		}
	}
	return got / sleepMessage
}
