package server

import (
	"fmt"
	"strings"

	"trunkline/store/mysql"
)

// Places is a list of databases, each with a password in it: String shows none. In the configuration file it is an array, or one string; as a
// flag it is given several times. A comma separates several in one string.
type Places []string

// UnmarshalText takes places; an empty text is an empty list. In the file an array is read without it.
func (p *Places) UnmarshalText(b []byte) error {
	if *p = nil; len(b) > 0 {
		*p = strings.Split(string(b), ",")
	}
	return nil
}

// String is the list for people: host and database of each.
func (p Places) String() string {
	var names []string
	for _, text := range p {
		name := "?" // nothing of a text that can't be read: nobody knows what part of it is the password
		if place, err := mysql.Parse(text); err == nil {
			name = place.String()
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// MarshalText implements encoding.TextMarshaler like String, so that no document or log has a password.
func (p Places) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// parse reads them. Errors: a *ConfigError that shows nothing of a text but its number.
func (p Places) parse() ([]mysql.Place, error) {
	var list []mysql.Place
	for i, text := range p {
		place, err := mysql.Parse(strings.TrimSpace(text))
		if err != nil {
			return nil, &ConfigError{"accounts", fmt.Sprintf("number %d of %d: %s", i+1, len(p), err)}
		}
		list = append(list, place)
	}
	if err := mysql.CheckPlaces(list); err != nil {
		return nil, &ConfigError{"accounts", err.Error()}
	}
	return list, nil
}

// checkAccounts wants places that can be read, each once.
func (c Config) checkAccounts() error {
	if len(c.Accounts) == 0 {
		return nil
	}
	_, err := c.Accounts.parse()
	return err
}
