package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"trunkline/server"
)

// chatty is an error that has more to say when it is asked for everything.
type chatty struct{ error }

func (c chatty) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.Error()+"\nstack trace") }

func TestTheLogHasErrorsWithoutTheirStacks(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log := newLogger(server.Config{LogLevel: "info", LogFormat: format}, &out)
		log.Info("trouble", "err", chatty{errors.New("no space left")})
		if got := out.String(); !strings.Contains(got, "no space left") || strings.Contains(got, "stack trace") {
			t.Errorf("%s: %s", format, got)
		}
		out.Reset()
		log.With("dir", "d").Info("went well", "err", error(nil), "n", 3)
		if got := out.String(); strings.Contains(got, "err") || !strings.Contains(got, "3") {
			t.Errorf("%s: %s", format, got)
		}
	}
}
