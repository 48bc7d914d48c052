package bench

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Save writes NAME.json and NAME.html into a directory, which is made when it is not there, and answers their paths. Each is whole or as it was
// before.
func (r *Report) Save(dir string) ([]string, error) {
	document, page := filepath.Join(dir, r.Bench+".json"), filepath.Join(dir, r.Bench+".html")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	if err := writeWhole(document, r.WriteJSON); err != nil {
		return nil, err
	}
	return []string{document, page}, writeWhole(page, r.WriteHTML)
}

// saveFigure writes NAME.svg beside what Save writes, and notes all of them in files first, so that the document names them.
func (r *Report) saveFigure(dir string, svg []byte, files *[]string) error {
	name := filepath.Join(dir, r.Bench)
	*files = []string{name + ".json", name + ".svg", name + ".html"}
	if _, err := r.Save(dir); err != nil {
		return err
	}
	return writeWhole(name+".svg", func(w io.Writer) error {
		_, err := w.Write(svg)
		return err
	})
}

// writeWhole writes a file beside its place and renames it there.
func writeWhole(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGenerator, err)
	}
	err = write(f)
	if chmod := f.Chmod(0o644); err == nil {
		err = chmod
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the error that counts is the first
		return fmt.Errorf("%w: %s: %w", ErrGenerator, path, err)
	}
	return nil
}
