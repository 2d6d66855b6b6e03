package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"drayage/test/meter"
	"drayage/test/registry3"
	"drayage/test/sample"
	"drayage/test/wire"
)

const (
	repository = "hello"
	tag        = "1.0"
	layoutDir  = "images"
	tarFile    = "hello.tar"
)

// demo is one run: two registries, a working directory, and what the sample image should come out as.
type demo struct {
	out      io.Writer
	binary   string
	dir      string // where the commands run
	step     int
	source   *registry3.Server
	private  *registry3.Server
	traffic  *meter.Meter // of the source
	image    *sample.Image
	platform sample.Platform // the one drayage picks on this machine
}

// prepare starts both registries and puts the image into the first. The caller calls close.
func prepare(ctx context.Context, out io.Writer, binary, dir string) (_ *demo, err error) {
	d := &demo{out: out, binary: binary, dir: filepath.Join(dir, "work"), traffic: &meter.Meter{}}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		return nil, err
	}
	d.say("drayage carries a container image across an air gap without a container engine.")
	d.say("This demonstration runs it between two real registries (CNCF distribution 3) on")
	d.say("this machine. First the go command builds a sample image for several platforms,")
	d.say("which takes up to a minute the first time.")
	if d.image, err = sample.Build(ctx, sample.Options{}); err != nil {
		return nil, err
	}
	if d.platform, err = d.image.Platform("linux/" + runtime.GOARCH); err != nil {
		// 32-bit ARM is listed with its variant.
		if d.platform, err = d.image.Platform("linux/" + runtime.GOARCH + "/v7"); err != nil {
			return nil, err
		}
	}
	if d.source, err = startRegistry(ctx, filepath.Join(dir, "connected"), d.traffic); err != nil {
		return nil, err
	}
	if d.private, err = startRegistry(ctx, filepath.Join(dir, "private"), &meter.Meter{}); err != nil {
		return nil, err
	}
	if err := d.image.Seed(ctx, d.repository(d.source), tag); err != nil {
		return nil, err
	}
	d.say("")
	d.say("   connected side   %s/%s:%s", d.source.Addr(), repository, tag)
	for _, p := range d.image.Platforms {
		d.say("                      %s", sample.Name(p.Platform))
	}
	d.say("   private side     %s (empty)", d.private.Addr())
	return d, nil
}

func startRegistry(ctx context.Context, dir string, traffic *meter.Meter) (*registry3.Server, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return registry3.Start(ctx, registry3.Options{Dir: dir, Wrap: traffic.Wrap})
}

func (d *demo) close() {
	if d.source != nil {
		d.source.Close()
	}
	if d.private != nil {
		d.private.Close()
	}
}

func (d *demo) repository(s *registry3.Server) *wire.Repository {
	return &wire.Repository{URL: s.URL(), Name: repository}
}

func (d *demo) sourceRef() string {
	return fmt.Sprintf("%s/%s:%s", d.source.Addr(), repository, tag)
}
