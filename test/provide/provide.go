// Package provide builds the command that tests run.
package provide

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Binary returns the path of the command: the one that DRAYAGE_BIN names, or one that it builds into dir. The
// tests of a package two directories below the root call it.
func Binary(ctx context.Context, dir string) (string, error) {
	if given := os.Getenv("DRAYAGE_BIN"); given != "" {
		return filepath.Abs(given)
	}
	built := filepath.Join(dir, "drayage")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", built, "./cmd/drayage")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/drayage: %w\n%s", err, out)
	}
	return built, nil
}
