package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"trunkline/client"
)

// plainScreen shows a conversation without a terminal: every change is a line of its own, ticks are words.
type plainScreen struct {
	w     io.Writer
	me    uint64
	texts map[uint64]string // of own lines without the last tick
}

// plainTextMax is how much of an own line is repeated beside its tick.
const plainTextMax = 40

func (p *plainScreen) print(format string, args ...any) {
	// A reader that went away ends the chat by its input's end; there is nobody left to tell.
	_, _ = fmt.Fprintf(p.w, format+"\n", args...)
}

func (p *plainScreen) own(id uint64, text string) {
	if len(p.texts) < chatMarksMax {
		p.texts[id] = shorten(clean(text), plainTextMax)
	}
	p.print("%s %d: %s", time.Now().Format("15:04"), p.me, clean(text))
}

func (p *plainScreen) ticked(ids []uint64, level client.TickLevel) {
	word := map[client.TickLevel]string{
		client.TickServer: "sent", client.TickDelivered: "delivered", client.TickRead: "read", client.TickPlayed: "played",
	}[level]
	for _, id := range ids {
		p.print("  [%s] %s", word, p.texts[id])
		if level >= client.TickRead {
			delete(p.texts, id)
		}
	}
}

func (p *plainScreen) rejected(id uint64, why string) {
	p.print("  [not delivered: %s] %s", why, p.texts[id])
	delete(p.texts, id)
}

func (p *plainScreen) theirs(from uint64, at time.Time, text string) {
	p.print("%s %d: %s", when(at, time.Now()), from, clean(text))
}

func (p *plainScreen) notice(text string) { p.print("-- %s", clean(text)) }

func (p *plainScreen) connected(connection) {} // a notice follows

// clean makes foreign text harmless on a terminal: no control characters, no reversed writing, one line.
func clean(text string) string {
	const joiner = '\u200d' // holds emoji together
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return '⏎'
		case r == '\t' || r == '\r':
			return ' '
		case r == joiner || unicode.IsPrint(r):
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// shorten cuts text to at most n runes.
func shorten(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}

// lineInput reads lines from a pipe or file.
type lineInput struct {
	lines chan string
	err   chan error
}

// newLineInput reads r on a goroutine of its own, since r can't be waited for together with events.
func newLineInput(r io.Reader) *lineInput {
	in := &lineInput{lines: make(chan string), err: make(chan error, 1)}
	go in.read(r) // ends with r, at the latest with the process: a read of standard input can't be called back
	return in
}

func (in *lineInput) read(r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, client.PayloadBytesMax+1)
	for s.Scan() {
		in.lines <- s.Text()
	}
	err := s.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("a line has more than %d bytes", client.PayloadBytesMax)
	}
	if err == nil {
		err = io.EOF
	}
	in.err <- err
}

// next implements input.
func (in *lineInput) next(ctx context.Context, events <-chan client.Event, handle func(client.Event)) (string, error) {
	for {
		select {
		case line := <-in.lines:
			return line, nil
		case err := <-in.err:
			return "", err
		case ev, open := <-events:
			if !open {
				return "", errClientEnded
			}
			handle(ev)
		case <-ctx.Done():
			return "", io.EOF
		}
	}
}
