package main

import (
	"archive/tar"
	"errors"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// writeArchive writes the package: pkg(8) reads the compact manifest, or the whole one, and stops there unless it installs; so they come first.
func writeArchive(w io.Writer, m *manifest, items []item, when time.Time) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	return errors.Join(writeTar(z, m, items, when), z.Close())
}

func writeTar(w io.Writer, m *manifest, items []item, when time.Time) error {
	t := tar.NewWriter(w)
	compact, err := m.compact().text()
	if err != nil {
		return err
	}
	whole, err := m.text()
	if err != nil {
		return err
	}
	all := append([]item{
		{path: "+COMPACT_MANIFEST", mode: modeFile, text: compact},
		{path: "+MANIFEST", mode: modeFile, text: whole},
	}, items...)
	for _, it := range all {
		head := &tar.Header{
			Typeflag: tar.TypeReg, Name: it.path, Mode: it.mode, Size: int64(len(it.text)), ModTime: when,
			Uname: "root", Gname: "wheel", Format: tar.FormatUSTAR,
		}
		if err := t.WriteHeader(head); err != nil {
			return err
		}
		if _, err := t.Write(it.text); err != nil {
			return err
		}
	}
	return t.Close()
}
