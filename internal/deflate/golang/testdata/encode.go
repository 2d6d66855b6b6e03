//go:build ignore

// Encode writes the sha256 of what compress/flate makes of its input at a level, for the table of golden.txt. It
// is built with old versions of Go.
package main

import (
	"compress/flate"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strconv"
)

func main() {
	level, err := strconv.Atoi(os.Args[1])
	check(err)
	sum := sha256.New()
	w, err := flate.NewWriter(sum, level)
	check(err)
	_, err = io.Copy(w, os.Stdin)
	check(err)
	check(w.Close())
	fmt.Printf("%x\n", sum.Sum(nil))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
