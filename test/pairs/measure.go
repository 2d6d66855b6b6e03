//go:build linux

package pairs

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/internal/tarpatch"
)

// cost is what a program takes, and what comes out.
type cost struct {
	bytes  int64
	cpu    time.Duration
	memory int64 // bytes
	failed string
}

func (c cost) String() string { return fmt.Sprintf("%.1f s, %d MiB", c.cpu.Seconds(), c.memory>>20) }

// method makes a file. From the file and the old layer, the new layer can be made.
type method struct {
	title string
	argv  func(old, new, out string) []string
	slow  bool
}

// methods are the rows of the table. This program makes those that begin with "-" itself.
func methods() []method {
	return []method{
		{"the layer whole: gzip -6", self("gzip"), false},
		{"files that are new, gzip -6", self("files"), false},
		{"zstd -3 --patch-from", zstd("-3"), false},
		{"zstd -19 --patch-from", zstd("-19"), true},
		{"xdelta3 -6, then zstd -19", func(old, new, out string) []string {
			line := `xdelta3 -e -6 -S none -B 536870912 -s "$1" "$2" | zstd -q -19 -f -o "$3"`
			return []string{"sh", "-c", line, "-", old, new, out}
		}, true},
		{"bsdiff", func(old, new, out string) []string { return []string{"bsdiff", old, new, out} }, true},
		{"**layer patch of drayage**", self("patch"), false},
	}
}

func zstd(level string) func(old, new, out string) []string {
	return func(old, new, out string) []string {
		return []string{"zstd", "-q", level, "--long=31", "--single-thread", "-f", "--patch-from", old, new,
			"-o", out}
	}
}

func self(what string) func(old, new, out string) []string {
	return func(old, new, out string) []string {
		return []string{"/proc/self/exe", "-own", what, old, new, out}
	}
}

// maxBsdiff is the size of layers up to which bsdiff is run: it takes 17 bytes of memory for each.
const maxBsdiff = 25 << 20

func (m method) run(ctx context.Context, old, new, out string) cost {
	if info, err := os.Stat(new); err != nil || m.title == "bsdiff" && info.Size() > maxBsdiff {
		return cost{failed: "too large"}
	}
	argv := m.argv(old, new, out)
	c := measured(ctx, argv...)
	info, err := os.Stat(out)
	if err != nil && c.failed == "" {
		c.failed = err.Error()
	}
	if err == nil {
		c.bytes = info.Size()
	}
	return c
}

// measured runs a program.
func measured(ctx context.Context, argv ...string) cost {
	if argv[0] == "/proc/self/exe" {
		argv[0], _ = os.Executable()
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var said bytes.Buffer
	cmd.Stderr, cmd.Stdout = &said, io.Discard
	cmd.Env = append(os.Environ(), "GOMAXPROCS=2")
	err := cmd.Run()
	var c cost
	if err != nil {
		c.failed = fmt.Sprintf("%v: %s", err, strings.TrimSpace(said.String()))
	}
	if p := cmd.ProcessState; p != nil {
		c.cpu = p.UserTime() + p.SystemTime()
		if u, ok := p.SysUsage().(*syscall.Rusage); ok {
			c.memory = u.Maxrss << 10
		}
	}
	return c
}

// Own does what this program measures in a process of its own.
func Own(ctx context.Context, args []string) error {
	what, old, new, out := args[0], args[1], args[2], args[3]
	if what == "apply" {
		return applied(old, new, out)
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	switch what {
	case "gzip":
		return packed(f, func(w io.Writer) error {
			from, err := os.Open(new)
			if err != nil {
				return err
			}
			defer from.Close()
			_, err = io.Copy(w, from)
			return err
		})
	case "files":
		return packed(f, func(w io.Writer) error { return unlike(old, new, w) })
	}
	from, err := opened(old)
	if err != nil {
		return err
	}
	to, err := opened(new)
	if err != nil {
		return err
	}
	_, err = tarpatch.Make(ctx, to, []tarpatch.Base{from}, f, tarpatch.Options{Temp: filepath.Dir(out)})
	return err
}

func packed(to io.Writer, write func(io.Writer) error) error {
	z, err := gzip.NewWriterLevel(to, 6)
	if err == nil {
		err = write(z)
	}
	if err != nil {
		return err
	}
	return z.Close()
}

// opened opens a layer. Its file stays open until the process ends.
func opened(name string) (tarpatch.Base, error) {
	f, err := os.Open(name)
	if err != nil {
		return tarpatch.Base{}, err
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	return tarpatch.Base{DiffID: digest.NewDigestFromEncoded(digest.SHA256, hex.EncodeToString(h.Sum(nil))),
		Size: n, ReaderAt: f}, err
}

// applied applies a patch. The result counts only if it has the diff ID of the new layer.
func applied(old, new, patch string) error {
	from, err := opened(old)
	if err != nil {
		return err
	}
	p, err := os.Open(patch)
	if err != nil {
		return err
	}
	info, err := p.Stat()
	if err != nil {
		return err
	}
	r, err := tarpatch.Open(p, info.Size(), []tarpatch.Base{from})
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if info, again := os.Stat(new); err == nil && (again != nil || info.Size() != n) {
		err = fmt.Errorf("%d bytes came out: %v", n, again)
	}
	return err
}
