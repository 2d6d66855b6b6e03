// Command module-path sets the path of the module: go run ./cmd/module-path example.org/someone/drayage
package main

import (
	"fmt"
	"os"

	"drayage/release/modulepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: make module-path MODULE=example.org/someone/drayage")
		os.Exit(2)
	}
	changed, err := modulepath.Set("..", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "module-path:", err)
		os.Exit(1)
	}
	fmt.Printf("changed %d files. Now: make build test\n", len(changed))
}
