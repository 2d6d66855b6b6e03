//go:build linux

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"drayage/test/registry3"
	"drayage/test/wire"
)

// registry is a server that can have the images of a data set.
type registry struct {
	tool  string
	start func(context.Context, *env, *dataset) (*serverProcess, error)
}

// registries are who serves, in the order of the tables.
var registries = []registry{
	{"drayage", serveWith(archiveOf)},
	{"drayage, layout", serveWith(func(_ context.Context, _ *env, d *dataset) (string, error) {
		return d.layout(), nil
	})},
	{"distribution 3", startDistribution3},
	{"distribution 2", startDistribution2},
	{"crane registry serve", startCrane},
}

// serverProcess is a server of a scenario.
type serverProcess struct {
	addr string
	pid  int
	stop func()
}

// launch starts a program that serves at addr.
func (e *env) launch(ctx context.Context, addr string, argv ...string) (*serverProcess, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	ownGroup(cmd)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &serverProcess{addr: addr, pid: cmd.Process.Pid, stop: func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}}
	for range 600 {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return s, conn.Close()
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			break
		}
	}
	s.stop()
	return nil, fmt.Errorf("%s did not start: %s", filepath.Base(argv[0]), oneLine(said.String()))
}

// serveWith is drayage, which serves what it finds.
func serveWith(source func(context.Context, *env, *dataset) (string, error)) func(context.Context, *env,
	*dataset) (*serverProcess, error) {
	return func(ctx context.Context, e *env, d *dataset) (*serverProcess, error) {
		from, err := source(ctx, e, d)
		if err != nil {
			return nil, err
		}
		addr, err := freeAddress(ctx)
		if err != nil {
			return nil, err
		}
		return e.launch(ctx, addr, e.drayage("serve", from, "--addr", addr)...)
	}
}

// archiveOf is an OCI tar of all images.
func archiveOf(ctx context.Context, e *env, d *dataset) (string, error) {
	if len(d.Images) == 1 {
		return d.ociTar(ctx, d.Images[0])
	}
	file := filepath.Join(d.dir, "served.tar")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	return file, run(ctx, e.drayage("save", "--format", "oci", d.layout(), "-o", file))
}

func startDistribution3(ctx context.Context, e *env, d *dataset) (*serverProcess, error) {
	if err := d.linkStorage(); err != nil {
		return nil, err
	}
	s, err := e.serve(ctx, "distribution", d.storage())
	if err != nil {
		return nil, err
	}
	return &serverProcess{s.addr, s.pid, func() { s.stop() }}, nil
}

// serveDistribution is the process of distribution 3, with nothing in front of it.
func serveDistribution(ctx context.Context, args []string) error {
	s, err := registry3.Start(ctx, registry3.Options{Dir: args[0]})
	if err != nil {
		return err
	}
	defer s.Close()
	return announce(ctx, s.Addr())
}

func startDistribution2(ctx context.Context, e *env, d *dataset) (*serverProcess, error) {
	path := e.tools.path("docker-registry")
	if path == "" {
		return nil, fmt.Errorf("%w: apt-get install docker-registry", errAbsent)
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(e.dir, "distribution2-serving.yml")
	text := fmt.Appendf(nil, distributionConfig, d.storage(), addr)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return nil, err
	}
	return e.launch(ctx, addr, path, "serve", config)
}

// startCrane starts crane's registry over the blobs of the layout. It keeps manifests in memory only.
func startCrane(ctx context.Context, e *env, d *dataset) (*serverProcess, error) {
	crane := e.tools.path("crane")
	if crane == "" {
		return nil, errAbsent
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s, err := e.launch(ctx, addr, crane, "registry", "serve", "--address", addr, "--disk",
		filepath.Join(d.layout(), "blobs"))
	if err != nil {
		return nil, err
	}
	for _, img := range d.Images {
		name, tag := splitName(img.Name)
		repo := &wire.Repository{URL: "http://" + addr, Name: name}
		if err := repo.PutManifest(ctx, tag, img.Manifest.MediaType, img.Raw); err != nil {
			s.stop()
			return nil, err
		}
	}
	return s, nil
}

// linkStorage makes the blobs of the registry's storage and of the layout the same files: all servers read
// the same pages of memory, and the disk holds them once.
func (d *dataset) linkStorage() error {
	blobs := filepath.Join(d.storage(), "docker", "registry", "v2", "blobs", "sha256")
	return filepath.WalkDir(blobs, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "data" {
			return err
		}
		same := d.blob(filepath.Base(filepath.Dir(path)))
		a, errA := os.Stat(path)
		b, errB := os.Stat(same)
		if errA != nil || errB != nil || os.SameFile(a, b) {
			return errors.Join(errA, errB)
		}
		return errors.Join(os.Remove(path), os.Link(same, path))
	})
}
