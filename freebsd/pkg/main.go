package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// options are what the port's files can't say.
type options struct {
	root    string // the project's folder
	binary  string // the built server
	arch    string // as GOARCH
	version string // as `trunkline version` has it
	out     string // the folder of the package
	epoch   int64  // time of every file, seconds since 1970, so that the same source gives the same package
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings given. Exit codes: 0, 1 it could not be made, 2 wrong flags.
func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("pkg", flag.ContinueOnError)
	fs.SetOutput(stderr)
	var o options
	fs.StringVar(&o.root, "root", ".", "the project's `folder`")
	fs.StringVar(&o.binary, "binary", "", "the server, built for FreeBSD")
	fs.StringVar(&o.arch, "arch", "amd64", "its processor: amd64 or arm64")
	fs.StringVar(&o.version, "version", "", "its version, like 0.1.0-dev")
	fs.StringVar(&o.out, "out", "out", "`folder` of the package")
	fs.Int64Var(&o.epoch, "epoch", 0, "time of the files, in seconds since 1970")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if o.binary == "" || o.version == "" || fs.NArg() > 0 {
		fmt.Fprintln(stderr, "pkg: -binary and -version are needed, and nothing behind the flags")
		return 2
	}
	path, err := build(o)
	if err != nil {
		fmt.Fprintf(stderr, "pkg: %v\n", err)
		return 1
	}
	fmt.Fprintln(stdout, path)
	return 0
}

// build makes the package and returns its path. A package that could not be completed is not left behind.
func build(o options) (path string, err error) {
	p, err := readPort(filepath.Join(o.root, "freebsd", "port"))
	if err != nil {
		return "", err
	}
	items, err := gather(p, o)
	if err != nil {
		return "", err
	}
	m, err := newManifest(p, items, o)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return "", err
	}
	path = filepath.Join(o.out, m.Name+"-"+m.Version+".pkg")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	err = errors.Join(writeArchive(f, m, items, time.Unix(o.epoch, 0).UTC()), f.Close())
	if err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}
