package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const prefix = "/usr/local"

// port is what the files of the port say.
type port struct {
	name, origin, comment, www, maintainer, license string
	categories                                      []string
	desc                                            string
	preInstall                                      string
	messages                                        []message
	plist                                           []planned
}

// planned is a line of pkg-plist.
type planned struct {
	path   string // absolute
	mode   int64  // permission bits; 0: what such a file usually has
	config bool   // an operator may change it, and pkg(8) keeps the change
}

// message is shown by pkg(8) when it installs, upgrades or removes.
type message struct {
	Message string `json:"message"`
	Type    string `json:"type,omitempty"`
}

func readPort(dir string) (*port, error) {
	texts := map[string]string{}
	for _, name := range []string{"Makefile", "pkg-descr", "pkg-message", "pkg-plist", "pkg-pre-install"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		texts[name] = string(text)
	}
	p := &port{desc: strings.TrimSpace(texts["pkg-descr"]), preInstall: texts["pkg-pre-install"]}
	if err := p.readMakefile(texts["Makefile"]); err != nil {
		return nil, err
	}
	if err := p.readMessages(texts["pkg-message"]); err != nil {
		return nil, err
	}
	return p, p.readPlist(texts["pkg-plist"])
}

// makeVariable finds NAME=value; what a variable refers to is not followed.
var makeVariable = regexp.MustCompile(`(?m)^([A-Z_]+)=[ \t]*(.*?)[ \t]*$`)

func (p *port) readMakefile(text string) error {
	values := map[string]string{}
	for _, m := range makeVariable.FindAllStringSubmatch(text, -1) {
		values[m[1]] = m[2]
	}
	for name, where := range map[string]*string{
		"PORTNAME": &p.name, "COMMENT": &p.comment, "WWW": &p.www, "MAINTAINER": &p.maintainer, "LICENSE": &p.license, "CATEGORIES": &p.origin,
	} {
		if *where = values[name]; *where == "" {
			return fmt.Errorf("%w: %s", errPortVariable, name)
		}
	}
	p.categories = strings.Fields(p.origin)
	p.origin = p.categories[0] + "/" + p.name
	return nil
}

// portMessage finds one of pkg-message's objects: `{ type: install` and a text between <<EOM and EOM.
var portMessage = regexp.MustCompile(`(?s)\{ type: (\w+)\s+message: <<EOM\n(.*?)\nEOM\n`)

func (p *port) readMessages(text string) error {
	for _, m := range portMessage.FindAllStringSubmatch(text, -1) {
		p.messages = append(p.messages, message{Type: m[1], Message: m[2]})
	}
	if len(p.messages) == 0 {
		return errPortMessage
	}
	return nil
}

// plistMode is the keyword of a file with an owner, a group and a mode. Owner and group are always root and wheel here.
var plistMode = regexp.MustCompile(`^@\(root,wheel,(0[0-7]{3})\) (.+)$`)

func (p *port) readPlist(text string) error {
	folders := strings.NewReplacer("%%EXAMPLESDIR%%", "share/examples/"+p.name, "%%DOCSDIR%%", "share/doc/"+p.name)
	for line := range strings.Lines(text) {
		line = folders.Replace(strings.TrimSpace(line))
		var row planned
		if rest, ok := strings.CutPrefix(line, "@config "); ok {
			row.config, line = true, rest
		} else if m := plistMode.FindStringSubmatch(line); m != nil {
			mode, err := strconv.ParseInt(m[1], 8, 64)
			if err != nil {
				return fmt.Errorf("%w: %s", errPortMode, line)
			}
			row.mode, line = mode, m[2]
		}
		switch {
		case line == "":
			continue
		case strings.HasPrefix(line, "@") || strings.Contains(line, "%%"):
			return fmt.Errorf("%w: %s", errPortKeyword, line)
		}
		row.path = prefix + "/" + line
		p.plist = append(p.plist, row)
	}
	return nil
}
