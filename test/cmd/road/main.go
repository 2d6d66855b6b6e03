// Road draws the way of an image, with what survives on each arrow, as docs/pictures/road-*.svg: wide and
// narrow, for light and dark pages. Usage, in the directory test:
//
//	go run ./cmd/road
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("road: ")
	dir := flag.String("o", filepath.Join("..", "docs", "pictures"), "write the pictures into this `DIR`")
	flag.Parse()
	for name, picture := range pictures() {
		if err := os.WriteFile(filepath.Join(*dir, name), picture, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// pictures returns the files by their names.
func pictures() map[string][]byte {
	return map[string][]byte{
		"road-light.svg":        wide(light),
		"road-dark.svg":         wide(dark),
		"road-narrow-light.svg": narrow(light),
		"road-narrow-dark.svg":  narrow(dark),
	}
}
