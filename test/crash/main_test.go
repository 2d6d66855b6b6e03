//go:build linux

package crash

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"drayage/test/provide"
	"drayage/test/reliability"
)

var (
	// binary is the absolute path of the drayage under test: DRAYAGE_BIN, or what is built of the parent module.
	binary string

	soak   = flag.Bool("soak", false, "take the long way: every point, a thousand kills, all sizes of disks")
	update = flag.Bool("update", false, "enter the figures into the results of package reliability")
	seed   = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of all that is random")
)

// results is where package reliability finds the figures of others.
const results = "../reliability/testdata"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	// Processes that the tests start take SIGHUP even where the tests were started by nohup.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGHUP)
	defer stop()
	dir, err := os.MkdirTemp("", "drayage-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if peers := os.Getenv("DRAYAGE_BENCH_PEERS"); peers != "" { // tools besides those in PATH, as for make bench
		os.Setenv("PATH", peers+string(filepath.ListSeparator)+os.Getenv("PATH"))
	}
	if binary, err = provide.Binary(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		return 1
	}
	return m.Run()
}

// enter saves figures, if that is asked for.
func enter(t *testing.T, name string, s reliability.Section) {
	t.Helper()
	t.Logf("%s: %q", s.Title, s.Rows)
	if !*update {
		return
	}
	s.Date, s.Source = time.Now().UTC().Format(time.DateOnly), "make soak"
	if !*soak {
		s.Source = "go test ./crash -update"
	}
	if err := s.Save(results, name); err != nil {
		t.Error(err)
	}
}

// absent skips a test, or fails it with DRAYAGE_INTEROP=require.
func absent(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("DRAYAGE_INTEROP") == "require" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}
