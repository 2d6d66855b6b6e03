//go:build linux

package bench

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// runPull is the process that pulls: ADDRESS, the FILE that lists blobs, and how many at once.
func runPull(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("pull: ADDRESS FILE CONNECTIONS")
	}
	list, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	connections, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	_, err = pull(ctx, args[0], strings.Split(string(list), "\n"), connections, nil)
	return err
}

// pull gets blobs, so many at once. With a hash it compares their digests.
func pull(
	ctx context.Context,
	addr string,
	blobs []string,
	connections int,
	hash func() hash.Hash,
) (int64, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var sum atomic.Int64
	next := make(chan string)
	group, ctx := errgroup.WithContext(ctx)
	for range connections {
		group.Go(func() error {
			buffer := make([]byte, 256<<10)
			for blob := range next {
				n, err := pullBlob(ctx, client, addr, blob, buffer, hash)
				if sum.Add(n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(next)
		for _, blob := range blobs {
			select {
			case next <- blob:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	err := group.Wait()
	return sum.Load(), err
}

func pullBlob(ctx context.Context, client *http.Client, addr, blob string, buffer []byte,
	hash func() hash.Hash) (n int64, err error) {
	path, size, _ := strings.Cut(blob, " ")
	want, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/v2/"+path, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", path, resp.Status)
	}
	var out io.Writer = io.Discard
	if hash != nil {
		sum := hash()
		out = sum
		defer func() {
			if got := hex.EncodeToString(sum.Sum(nil)); err == nil && !strings.HasSuffix(path, got) {
				err = fmt.Errorf("%s: the digest is %s", path, got)
			}
		}()
	}
	n, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{resp.Body}, buffer)
	if err == nil && n != want {
		err = fmt.Errorf("%s: %d bytes of %d", path, n, want)
	}
	return n, err
}
