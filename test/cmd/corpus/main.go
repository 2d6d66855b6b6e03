// Command corpus writes the generated archives of testdata/archives, the facts about all of them and their
// table. Run it in the directory of the test module. With -recorded it also takes in what test/corpus/make.sh
// says about the archives that it has made, a JSON document for each.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"drayage/test/corpus"
)

func main() {
	recorded := flag.String("recorded", "", "what make.sh has recorded; without it, what is known stays")
	dir := flag.String("dir", "../testdata/archives", "where the archives are")
	flag.Parse()
	if err := run(*recorded, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func run(recorded, dir string) error {
	if recorded == "" {
		return corpus.Update(dir, nil)
	}
	f, err := os.Open(recorded)
	if err != nil {
		return err
	}
	defer f.Close()
	all := []corpus.Archive{}
	for d := json.NewDecoder(f); ; {
		var a corpus.Archive
		err := d.Decode(&a)
		if errors.Is(err, io.EOF) {
			return corpus.Update(dir, all)
		}
		if err != nil {
			return fmt.Errorf("%s: %v", recorded, err)
		}
		all = append(all, a)
	}
}
