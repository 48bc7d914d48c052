package tuning

import (
	"fmt"
	"strings"
)

// Format is a kind of file that Render writes.
type Format uint8

// The formats.
const (
	SysctlConf   Format = 1 // sysctl.conf(5) of FreeBSD: set when the system has started
	LoaderConf   Format = 2 // loader.conf(5) of FreeBSD: read before the kernel starts
	LoginConf    Format = 3 // login.conf(5) of FreeBSD: a class for the server's user
	RcConf       Format = 4 // rc.conf(5) of FreeBSD: limits of the service
	Shell        Format = 5 // a script for sh(1) that sets what can be set at once
	LinuxSysctlD Format = 6 // sysctl.d(5) of Linux
	Systemd      Format = 7 // systemd.exec(5) of Linux: a drop-in for the service
)

// formatRow is what is known of one format.
type formatRow struct {
	format Format
	name   string
	os     OS     // 0: of both
	place  string // where it lives, relative to the root; "" where it has no place
	dir    string // must be there, or the file has no use on this system
	make   bool   // directories below dir are made
	about  string
}

func formatRows() []formatRow {
	return []formatRow{
		{SysctlConf, "sysctl.conf", FreeBSD, "etc/sysctl.conf", "etc", false, "sysctl.conf(5) of FreeBSD, set when the system has started"},
		{LoaderConf, "loader.conf", FreeBSD, "boot/loader.conf", "boot", false, "loader.conf(5) of FreeBSD, read before the kernel starts"},
		{LoginConf, "login.conf", FreeBSD, "etc/login.conf", "etc", false, "login.conf(5) of FreeBSD, a class with the limits of the server's processes"},
		{RcConf, "rc.conf", FreeBSD, "etc/rc.conf", "etc", false, "rc.conf(5) of FreeBSD, limits and class of the service"},
		{Shell, "sh", 0, "", "", false, "a script for sh(1) that sets at once what can be set at once, on either system"},
		{LinuxSysctlD, "linux-sysctl.d", Linux, "etc/sysctl.d/99-trunkline.conf", "etc", true, "sysctl.d(5) of Linux"},
		{Systemd, "systemd", Linux, "etc/systemd/system/trunkline.service.d/99-trunkline.conf", "etc/systemd", true, "systemd.exec(5) of Linux, a drop-in for trunkline.service"},
	}
}

// Formats lists all, in the order in which help prints them.
func Formats() []Format {
	var list []Format
	for _, row := range formatRows() {
		list = append(list, row.format)
	}
	return list
}

// ParseFormat finds a format by its name. Errors: ErrFormat.
func ParseFormat(name string) (Format, error) {
	var names []string
	for _, row := range formatRows() {
		if row.name == name {
			return row.format, nil
		}
		names = append(names, row.name)
	}
	return 0, fmt.Errorf("%w: %q is none of %s", ErrFormat, name, strings.Join(names, ", "))
}

func (f Format) row() formatRow {
	for _, row := range formatRows() {
		if row.format == f {
			return row
		}
	}
	return formatRow{name: "unknown"}
}

// String is the format's name, as ParseFormat takes it.
func (f Format) String() string { return f.row().name }

// OS is the system that reads the format; 0 when both do.
func (f Format) OS() OS { return f.row().os }

// About says in half a sentence what the format is.
func (f Format) About() string { return f.row().about }

// Place is where files of the format live, relative to the root; "" for a script, which has no place of its own.
func (f Format) Place() string { return f.row().place }
