package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the command under test.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "drayage-docs-")
	if err == nil {
		defer os.RemoveAll(dir)
		binary, err = provide(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		return 1
	}
	return m.Run()
}

// provide finds or builds the command.
func provide(ctx context.Context, dir string) (string, error) {
	if given := os.Getenv("DRAYAGE_BIN"); given != "" {
		return filepath.Abs(given)
	}
	built := filepath.Join(dir, "drayage")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", built, "./cmd/drayage")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return built, err
}
