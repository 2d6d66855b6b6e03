package spool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"drayage/internal/durable"
)

// disk makes the free space what left says, each time it is asked, and then its last value.
func disk(t *testing.T, left ...int64) {
	t.Cleanup(func() { free = was })
	free = func(string) (int64, error) {
		n := left[0]
		if len(left) > 1 {
			left = left[1:]
		}
		return n, nil
	}
}

var was = free

func empty(t *testing.T, dir string) {
	t.Helper()
	if all, err := os.ReadDir(dir); err != nil || len(all) > 0 {
		t.Errorf("%v is in the directory, %v", all, err)
	}
}

func TestCopy(t *testing.T) {
	dir := t.TempDir()
	content := bytes.Repeat([]byte("content "), 100_000)
	f, err := Copy(t.Context(), dir, iotest.HalfReader(bytes.NewReader(content)), 1000)
	if err != nil {
		t.Fatal(err)
	}
	empty(t, dir)
	got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	empty(t, dir)
}

func TestCopyFails(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("broken")
	if _, err := Copy(t.Context(), dir, iotest.ErrReader(broken), 0); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Copy(ctx, dir, strings.NewReader("x"), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	empty(t, dir)
	absent := filepath.Join(dir, "absent")
	if _, err := Copy(t.Context(), absent, strings.NewReader("x"), 0); !errors.Is(err, os.ErrNotExist) ||
		!strings.Contains(err.Error(), absent) {
		t.Errorf("%v", err)
	}
}

func TestCopyLeavesSpace(t *testing.T) {
	dir := t.TempDir()
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), dir) ||
			!strings.Contains(durable.DiskHint(err), "--temp-dir") || strings.Contains(err.Error(), "MiB") {
			t.Errorf("%s: %v", what, err)
		}
		empty(t, dir)
	}
	read := 0
	count := iotest.DataErrReader(readerFunc(func(p []byte) (int, error) { read += len(p); return len(p), nil }))

	disk(t, reserve+1000)
	_, err := Copy(t.Context(), dir, count, 1001)
	if check("too little from the start", err); read > 0 {
		t.Errorf("%d bytes have been read", read)
	}
	disk(t, 1<<40, 1<<40, 1<<40, reserve+step-1)
	_, err = Copy(t.Context(), dir, count, 0)
	if check("too little after a while", err); read < 2*step || read > 3*step {
		t.Errorf("%d bytes have been read", read)
	}
	disk(t, -1)
	f, err := Copy(t.Context(), dir, strings.NewReader("x"), 1<<50)
	if err != nil {
		t.Fatalf("a file system that does not tell: %v", err)
	}
	f.Close()
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
