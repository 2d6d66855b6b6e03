// Site makes the pages of the project, README.md and docs among them, into HTML that a browser reads from a
// directory without a network. Usage:
//
//	go run . [-from ..] [-o ../dist/site] [-version VERSION]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"drayage/site/book"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "site: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	from := flag.String("from", "..", "`DIRECTORY` of the project")
	to := flag.String("o", filepath.Join("..", "dist", "site"), "`DIRECTORY` of the site")
	version := flag.String("version", "", "`VERSION` that the pages name")
	flag.Parse()
	if flag.NArg() > 0 {
		return errors.New("wrong usage; see -help")
	}
	b, err := book.Read(os.DirFS(*from))
	if err != nil {
		return err
	}
	files, err := b.Files(*version)
	if err != nil {
		return err
	}
	if err := book.Write(*to, files); err != nil {
		return err
	}
	fmt.Printf("%d pages, %.1f MB: open %s\n", b.Len(), float64(book.Size(files))/1e6,
		filepath.Join(*to, "index.html"))
	return nil
}
