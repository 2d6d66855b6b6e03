package docs

import (
	"context"
	"fmt"
	"os"
	"testing"

	"drayage/test/provide"
)

// binary is the command under test.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "drayage-docs-")
	if err == nil {
		defer os.RemoveAll(dir)
		binary, err = provide.Binary(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		return 1
	}
	return m.Run()
}
