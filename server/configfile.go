package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// LoadFile reads a TOML file over c: keys that it does not name keep their value. Keys are the names of the flags.
// An unknown key, a value of the wrong type and a damaged file are ErrConfig, in one line that names file, line and key.
func (c *Config) LoadFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return &ConfigError{"config", err.Error()}
	}
	defer func() { _ = f.Close() }() // read only
	b, err := io.ReadAll(io.LimitReader(f, ConfigFileBytesMax+1))
	if err != nil {
		return &ConfigError{"config", err.Error()}
	}
	if len(b) > ConfigFileBytesMax {
		return &ConfigError{"config", fmt.Sprintf("%s has more than %s", path, Bytes(ConfigFileBytesMax))}
	}
	dec := toml.NewDecoder(strings.NewReader(string(b))).DisallowUnknownFields()
	if err := dec.Decode(c); err != nil {
		return fileError(path, err)
	}
	return nil
}

// fileError turns the decoder's error into one line.
func fileError(path string, err error) error {
	var missing *toml.StrictMissingError
	if errors.As(err, &missing) && len(missing.Errors) > 0 {
		first := missing.Errors[0]
		line, _ := first.Position()
		return &ConfigError{"config", fmt.Sprintf("%s:%d: unknown key %q", path, line, strings.Join(first.Key(), "."))}
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, _ := wrong.Position()
		reason := strings.TrimPrefix(wrong.Error(), "toml: ")
		if key := strings.Join(wrong.Key(), "."); key != "" {
			return &ConfigError{"config", fmt.Sprintf("%s:%d: key %q: %s", path, line, key, reason)}
		}
		return &ConfigError{"config", fmt.Sprintf("%s:%d: %s", path, line, reason)}
	}
	return &ConfigError{"config", fmt.Sprintf("%s: %s", path, strings.TrimPrefix(err.Error(), "toml: "))}
}
