// Package roundtrip runs the real drayage binary against real registries (CNCF distribution 3, in this
// process) and checks what comes out by means that share no code with drayage.
//
// DRAYAGE_BIN names a binary to test; without it the parent module's is built. DRAYAGE_BIG_BYTES sets the
// sizes of the layers in the memory test, with commas between them.
package roundtrip

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// binary is the absolute path of the drayage under test.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "drayage-roundtrip-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary, err = provide(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "roundtrip:", err)
		return 1
	}
	flag.Parse()
	// The fault tests wait for drayage's pauses between tries far more than they compute.
	if err := flag.Set("test.parallel", strconv.Itoa(max(8, runtime.GOMAXPROCS(0)))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// provide finds or builds the binary.
func provide(ctx context.Context, dir string) (string, error) {
	if given := os.Getenv("DRAYAGE_BIN"); given != "" {
		return filepath.Abs(given)
	}
	parent, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return "", err
	}
	built := filepath.Join(dir, "drayage")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", built, "./cmd/drayage")
	cmd.Dir = parent
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/drayage: %v\n%s", err, out)
	}
	return built, nil
}
