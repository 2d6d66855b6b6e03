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
	"os/signal"
	"runtime"
	"strconv"
	"testing"

	"drayage/test/provide"
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
	if binary, err = provide.Binary(ctx, dir); err != nil {
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
