// Hello is what the sample image runs: it prints one line that names the platform it was built for.
package main

import "os"

// platform is set by the linker.
var platform = "an unknown platform"

func main() {
	if _, err := os.Stdout.WriteString("hello from drayage, " + platform + "\n"); err != nil {
		os.Exit(1)
	}
}
