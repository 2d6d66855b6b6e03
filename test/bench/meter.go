//go:build linux

package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is what one run took.
type Usage struct {
	Wall     time.Duration // from the start of the first command until everything is on disk
	Sync     time.Duration // the part of it in which the meter synced what the commands had left unsynced
	CPU      time.Duration // user and system, of all processes
	Peak     int64         // bytes of resident memory at most, of the largest process
	Written  int64         // bytes given to the file system
	Received int64         // bytes that the registry has got, in pushes
	Gets     int           // of the blob that was asked for most often
	Output   int64         // bytes of the result
}

// meterSpec is what the meter, a process of its own, is asked to do.
type meterSpec struct {
	Commands [][]string
	Sync     []string // files and directories
	Daemons  []int
	Serving  bool // nothing but the daemons counts
}

const pollEvery = 5 * time.Millisecond

// meter runs a task's commands below a process that has done nothing else, so that what Linux counts for its
// children is theirs.
func (r *round) meter(ctx context.Context, t task) (Usage, error) {
	var usage Usage
	spec, err := json.Marshal(meterSpec{t.argv, t.out, t.daemon, t.serving})
	if err != nil {
		return usage, err
	}
	report := r.path("meter.json")
	log, err := os.Create(r.path("log"))
	if err != nil {
		return usage, err
	}
	defer log.Close()
	before, err := t.traffic(ctx)
	if err != nil {
		return usage, err
	}
	cmd := exec.CommandContext(ctx, r.self, "meter", string(spec), report)
	cmd.Env, cmd.Stdout, cmd.Stderr = r.environ(), log, log
	ownGroup(cmd)
	if err := cmd.Run(); err != nil {
		return usage, fmt.Errorf("%v: %s", err, tail(log.Name()))
	}
	raw, err := os.ReadFile(report)
	if err != nil {
		return usage, err
	}
	if err := json.Unmarshal(raw, &usage); err != nil {
		return usage, err
	}
	after, err := t.traffic(ctx)
	usage.Received, usage.Gets = after.Received-before.Received, after.most(before)
	return usage, err
}

func (t task) traffic(ctx context.Context) (traffic, error) {
	if t.registry == nil {
		return traffic{}, nil
	}
	return t.registry.traffic(ctx)
}

// environ gives every run caches and temporary files of its own, so that a first push is a first push.
func (r *round) environ() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "TMPDIR=" + r.dir, "LC_ALL=C.UTF-8"}
	for _, name := range []string{"XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"} {
		env = append(env, name+"="+r.dir)
	}
	return env
}

// ownGroup lets the end of a context end the children of a command too.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
}

// runMeter is the meter's own process.
func runMeter(ctx context.Context, rawSpec, report string) error {
	var spec meterSpec
	if err := json.Unmarshal([]byte(rawSpec), &spec); err != nil {
		return err
	}
	var usage Usage
	daemons := startDaemonMeter(spec.Daemons)
	written := writtenBytes("self")
	began := time.Now()
	for _, argv := range spec.Commands {
		if err := usage.command(ctx, argv); err != nil {
			return fmt.Errorf("%s: %v", strings.Join(argv, " "), err)
		}
	}
	ended := time.Now()
	for _, path := range spec.Sync {
		if err := syncTree(path); err != nil {
			return err
		}
	}
	usage.Wall, usage.Sync = time.Since(began), time.Since(ended)
	usage.Written = writtenBytes("self") - written
	if spec.Serving {
		usage.CPU, usage.Peak, usage.Written = 0, 0, 0
	}
	daemons.add(&usage)
	raw, err := json.Marshal(usage)
	if err != nil {
		return err
	}
	return os.WriteFile(report, raw, 0o600)
}

// command runs one command and adds what it took. Linux's own maximum would include the memory of the process
// that started the command, so the peak is read from the command itself while it runs.
func (u *Usage) command(ctx context.Context, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	polled := make(chan int64, 1)
	go func() { polled <- pollPeak(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	close(ended)
	u.Peak = max(u.Peak, <-polled)
	if state := cmd.ProcessState; state != nil {
		u.CPU += state.UserTime() + state.SystemTime()
	}
	return err
}

func pollPeak(pid int, ended <-chan struct{}) (peak int64) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		peak = max(peak, peakMemory(pid))
		select {
		case <-tick.C:
		case <-ended:
			return peak
		}
	}
}

// syncTree syncs a file, or all files and directories below a directory.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// peakMemory is 0 for a process that has ended.
func peakMemory(pid int) int64 {
	kib, _ := strconv.ParseInt(strings.TrimSuffix(procField(strconv.Itoa(pid), "status", "VmHWM"), " kB"), 10,
		64)
	return kib << 10
}

// writtenBytes are those of a process and of its children that have ended.
func writtenBytes(pid string) int64 {
	n, _ := strconv.ParseInt(procField(pid, "io", "write_bytes"), 10, 64)
	return n
}

// procField is the value behind "name:" in a file of /proc, or empty.
func procField(pid, file, name string) string {
	f, err := os.Open(filepath.Join("/proc", pid, file))
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && key == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
