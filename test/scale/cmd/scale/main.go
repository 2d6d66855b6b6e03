// Command scale fills a registry that keeps its blobs in an S3 store from one layout, by 1, 2, 4 and 8
// processes with --shard, and prints a table for docs/scale.md. The registry is at hand, and then some time
// away.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/test/scale"
)

func main() {
	var s settings
	flag.StringVar(&s.binary, "drayage", "bin/drayage", "the command to measure")
	flag.IntVar(&s.images, "images", 1000, "how many images")
	flag.IntVar(&s.size, "size", 20_000, "bytes of the layer that an image has for itself")
	flag.IntVar(&s.jobs, "jobs", 0, "-j of each process; 0: as it is")
	flag.StringVar(&s.processes, "n", "1,2,4,8", "how many processes")
	flag.StringVar(&s.latency, "latency", "0s,50ms", "how far the registry is away")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		stop()
		os.Exit(1)
	}
}

type settings struct {
	binary             string
	images, size, jobs int
	processes, latency string
}

func (s settings) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "drayage-scale-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if s.binary, err = filepath.Abs(s.binary); err != nil {
		return err
	}
	images, err := scale.Fill(filepath.Join(dir, "images"), s.images, s.size)
	if err != nil {
		return err
	}
	fmt.Println("| away | processes | seconds | images/s | MiB of one | CPU s of all | CPU s of the registry " +
		"| requests | sent | mounted |\n|---|---|---|---|---|---|---|---|---|---|")
	for _, away := range strings.Split(s.latency, ",") {
		for _, processes := range strings.Split(s.processes, ",") {
			latency, err := time.ParseDuration(away)
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(processes)
			if err != nil {
				return err
			}
			if err := s.measure(ctx, dir, images, n, latency); err != nil {
				return fmt.Errorf("%d processes, %s away: %w", n, latency, err)
			}
		}
	}
	return nil
}

// measure pushes all images by n processes into a new registry, and prints a row.
func (s settings) measure(
	ctx context.Context, dir string, images []scale.Image, n int, latency time.Duration,
) error {
	reg, err := scale.Start(ctx, latency)
	if err != nil {
		return err
	}
	defer reg.Close()
	home, err := os.MkdirTemp(dir, "run-")
	if err != nil {
		return err
	}
	args := []string{"push", filepath.Join(dir, "images"), reg.Addr() + "/mirror/", "-q", "--shard",
		strconv.Itoa(n)}
	if s.jobs > 0 {
		args = append(args, "-j", strconv.Itoa(s.jobs))
	}
	began, before := time.Now(), processor()
	all, err := scale.Fleet{Binary: s.binary, Dir: home}.Run(ctx, n, args)
	took, registry := time.Since(began), processor()-before
	if err == nil {
		err = scale.Failed(all)
	}
	if err != nil {
		return err
	}
	seen := map[digest.Digest]bool{}
	for _, im := range images {
		if err := reg.Holds("mirror/", im, seen); err != nil {
			return err
		}
	}
	sent := reg.Sent()
	for d, times := range sent {
		if times > 1 {
			return fmt.Errorf("%s was sent %d times", d, times)
		}
	}
	var memory int64
	var cpu time.Duration
	for _, p := range all {
		memory, cpu = max(memory, p.Memory), cpu+p.CPU
	}
	fmt.Printf("| %s | %d | %.1f | %.0f | %d | %.1f | %.1f | %d | %d | %d |\n", latency, n, took.Seconds(),
		float64(len(images))/took.Seconds(), memory>>20, cpu.Seconds(), registry.Seconds(),
		len(reg.Requests("", "")), len(sent), reg.Mounts())
	return nil
}

// processor is the time that processors have spent on this process, which is the registry and its store.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
