//go:build linux

package volumes

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

	update = flag.Bool("update", false, "enter the figures into the results of package reliability")
	every  = flag.Bool("every", false, "do every harm to every kind of bundle, and not a quarter of them")
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGHUP)
	defer stop()
	dir, err := os.MkdirTemp("", "drayage-volumes-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if peers := os.Getenv("DRAYAGE_BENCH_PEERS"); peers != "" { // tools besides those in PATH, as for make bench
		os.Setenv("PATH", peers+string(filepath.ListSeparator)+os.Getenv("PATH"))
	}
	if binary, err = provide.Binary(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "volumes:", err)
		return 1
	}
	return m.Run()
}

// enter saves figures, if that is asked for.
func enter(t *testing.T, name string, s reliability.Section) {
	t.Helper()
	for _, row := range s.Rows {
		t.Logf("%q", row)
	}
	if !*update || t.Failed() {
		return
	}
	s.Date = time.Now().UTC().Format(time.DateOnly)
	if err := s.Save(filepath.Join("..", "reliability", "testdata"), name); err != nil {
		t.Error(err)
	}
}
