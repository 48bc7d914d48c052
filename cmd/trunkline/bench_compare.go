package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"trunkline/bench"
)

// benchCompare puts two result files side by side.
func benchCompare(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("bench compare", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	asJSON := fs.Bool("json", false, "print the comparison as JSON")
	page := fs.String("html", "", "write a page to this `file` instead; it needs no network")
	files, flags := splitFiles(args)
	if err := parseFlags(fs, flags); err != nil {
		return usageError("bench compare", fs, err, stdout, stderr)
	}
	if len(files) != 2 {
		err := fmt.Errorf("two result files are compared: trunkline bench compare A.json B.json")
		return usageError("bench compare", fs, err, stdout, stderr)
	}
	c, err := bench.CompareFiles(files[0], files[1])
	if err == nil {
		err = writeComparison(c, *asJSON, *page, stdout)
	}
	if err != nil {
		text := strings.TrimPrefix(oneLine(err), bench.ErrResult.Error()+": ")
		fmt.Fprintf(stderr, "trunkline bench compare: %s\n", text)
		return exitFailed
	}
	return exitOK
}

// writeComparison writes it in the form that was asked for.
func writeComparison(c *bench.Comparison, asJSON bool, page string, stdout io.Writer) error {
	if page != "" {
		f, err := os.Create(page)
		if err != nil {
			return err
		}
		if err := c.WriteHTML(f); err != nil {
			_ = f.Close() // the error that counts is the first
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		if !asJSON {
			return nil
		}
	}
	if asJSON {
		return c.WriteJSON(stdout)
	}
	return c.WriteTable(stdout)
}

// splitFiles parts the names of files, wherever they stand, from the flags. --html takes the word behind it.
func splitFiles(args []string) (files, flags []string) {
	for i := 0; i < len(args); i++ {
		switch word := args[i]; {
		case word == "--html" || word == "-html":
			flags = append(flags, word)
			if i++; i < len(args) {
				flags = append(flags, args[i])
			}
		case strings.HasPrefix(word, "-") && word != "-":
			flags = append(flags, word)
		default:
			files = append(files, word)
		}
	}
	return files, flags
}
