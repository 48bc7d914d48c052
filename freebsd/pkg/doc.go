// Command pkg makes an installable FreeBSD package of a built server, on any system and without pkg(8): `make freebsd-pkg` runs it.
//
// It owns the format of the archive: a tar of +COMPACT_MANIFEST, +MANIFEST and the files by their absolute paths, compressed with zstd,
// as libpkg writes it and pkg(8) 1.20 and later read it. What goes in is said once, in the port's files (freebsd/port):
// the names in Makefile, the paths and modes in pkg-plist, the texts in pkg-descr and pkg-message, the script in pkg-pre-install.
//
// It refuses to guess: a path of the plist that has no source, a variable that is missing and a keyword that it does not know are errors.
// Types: port (what the port says), item (one file of the package), manifest. One goroutine; the same input gives the same bytes.
//
// Source: pkg-create(8), and libpkg's pkg_manifest.c, pkg_create.c and pkg_checksum.c of pkg 2.x.
package main
