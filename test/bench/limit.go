//go:build linux

package bench

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// runLimit does the bare work, without knowing anything about images: download SOURCES into files, or unpack
// and hash them into one file. What it writes is synced by the meter, as for the tools.
func runLimit(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("limit: download|unpack SOURCES OUTPUT")
	}
	var sources []string
	if err := json.Unmarshal([]byte(args[1]), &sources); err != nil {
		return err
	}
	work := map[string]func(context.Context, []string, string) error{"download": download,
		"unpack": unpackAll}[args[0]]
	if work == nil {
		return fmt.Errorf("there is no limit %q", args[0])
	}
	return work(ctx, sources, args[2])
}

// bareMachine is what the machine does without any of the tools: one core that hashes, and the disk.
func bareMachine(ctx context.Context, e *env) ([]contender, func(), error) {
	d, err := e.set(ctx, "five")
	if err != nil {
		return nil, nil, err
	}
	file, err := d.dockerTar(ctx, d.Images[0])
	if err != nil {
		return nil, nil, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, nil, err
	}
	hash := func(_ context.Context, _ *round) (task, error) {
		return task{argv: [][]string{{"sha256sum", file}}, check: func(context.Context) (int64, error) {
			return info.Size(), nil
		}}, nil
	}
	write := func(_ context.Context, r *round) (task, error) {
		out := r.path("copy")
		return task{argv: [][]string{{"dd", "if=" + file, "of=" + out, "bs=1M", "conv=fsync"}},
			check: sizeIs(out, info.Size())}, nil
	}
	return []contender{
		{tool: "limit: sha256sum of the docker tar", limit: true, task: hash},
		{tool: "limit: dd of the docker tar, with fsync", limit: true, task: write},
	}, nil, nil
}

// each runs work for all sources at the same time.
func each(sources []string, work func(i int, source string) error) error {
	errs := make([]error, len(sources))
	var wg sync.WaitGroup
	for i, source := range sources {
		wg.Go(func() { errs[i] = work(i, source) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// open opens a file or a URL.
func open(ctx context.Context, source string) (io.ReadCloser, error) {
	if !strings.HasPrefix(source, "http://") {
		return os.Open(source)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %s", source, resp.Status)
	}
	return resp.Body, nil
}

func download(ctx context.Context, sources []string, dir string) error {
	return each(sources, func(i int, source string) error {
		body, err := open(ctx, source)
		if err != nil {
			return err
		}
		defer body.Close()
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{body}, make([]byte, 256<<10))
		return errors.Join(err, f.Close())
	})
}

// unpackAll decompresses all sources side by side, hashes what comes out and writes it to one file, each
// source to a place of its own.
func unpackAll(ctx context.Context, sources []string, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	const apart = 16 << 30 // the file is sparse: nothing needs to know sizes
	err = each(sources, func(i int, source string) error {
		body, err := open(ctx, source)
		if err != nil {
			return err
		}
		defer body.Close()
		zr, err := gzip.NewReader(bufio.NewReaderSize(body, 1<<20))
		if err != nil {
			return err
		}
		return hashTo(io.NewOffsetWriter(f, int64(i)*apart), zr)
	})
	return errors.Join(err, f.Close())
}

// hashTo hashes and writes in one goroutine while another reads.
func hashTo(w io.Writer, r io.Reader) error {
	type chunk struct {
		buf []byte
		n   int
	}
	full, free := make(chan chunk, 2), make(chan []byte, 4)
	for range 4 {
		free <- make([]byte, 256<<10)
	}
	failed := make(chan error, 1)
	go func() {
		sum := sha256.New()
		var err error
		for c := range full {
			sum.Write(c.buf[:c.n])
			if err == nil {
				_, err = w.Write(c.buf[:c.n])
			}
			free <- c.buf
		}
		failed <- err
	}()
	var err error
	for err == nil {
		buf := <-free
		var n int
		n, err = io.ReadFull(r, buf)
		full <- chunk{buf, n}
	}
	close(full)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return errors.Join(err, <-failed)
}
