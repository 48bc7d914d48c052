//go:build linux || ((freebsd || darwin) && (amd64 || arm64))

package netpoll

// The filters and flags of kqueue(2) that the native backend uses, with one meaning and number on FreeBSD and macOS (held to the
// system's own at compile time, see kqueue_bsd.go). filterUser differs and stands with struct kevent.
const (
	filterRead  = -1 // EVFILT_READ
	filterWrite = -2 // EVFILT_WRITE

	evAdd     = 0x0001 // EV_ADD
	evDelete  = 0x0002 // EV_DELETE
	evOneshot = 0x0010 // EV_ONESHOT
	evClear   = 0x0020 // EV_CLEAR
	evReceipt = 0x0040 // EV_RECEIPT
	evError   = 0x4000 // EV_ERROR
	evEOF     = 0x8000 // EV_EOF

	noteTrigger = 0x01000000 // NOTE_TRIGGER
)
