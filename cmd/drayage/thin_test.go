package main

import (
	"archive/tar"
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/source"
	"drayage/registry"
)

// thinner is "thin SOURCE OLD TAR": it writes the images of SOURCE without the layers that the OCI tar OLD
// has.
func thinner(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	old, err := os.Open(ts.MkAbs(args[1]))
	ts.Check(err)
	defer old.Close()
	fi, err := old.Stat()
	ts.Check(err)
	r, err := dockerarchive.NewReader(old, fi.Size())
	ts.Check(err)
	l, err := r.Layout()
	ts.Check(err)
	spec, err := source.Parse(ts.MkAbs(args[0]), registry.ParseReference)
	ts.Check(err)
	set, err := spec.Open(ctx, source.Options{})
	ts.Check(err)
	defer set.Close()
	var images []*image.Image
	for _, im := range set.Images {
		loaded, err := im.Load(ctx, image.Selection{All: true})
		ts.Check(err)
		loaded.Referrers, err = im.Referrers(ctx, loaded)
		ts.Check(err)
		for _, one := range append([]*image.Image{loaded}, loaded.Referrers...) {
			for _, n := range one.Manifests {
				for _, d := range n.Document.Layers {
					if _, err := l.Stat(d.Digest); err == nil {
						one.LeaveOut([]image.Absent{{Part: image.PartLayer, Descriptor: d, Reason: image.LeftOut}})
					}
				}
			}
		}
		images = append(images, loaded)
	}
	out, err := os.Create(ts.MkAbs(args[2]))
	ts.Check(err)
	ts.Check(dockerarchive.Write(ctx, out, dockerarchive.OCI, images, dockerarchive.Options{}))
	ts.Check(out.Close())
}

// untar is "untar TAR DIR": it unpacks the files of a tar into a new directory.
func untar(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		ts.Check(err)
		raw, err := io.ReadAll(r)
		ts.Check(err)
		path := filepath.Join(ts.MkAbs(args[1]), filepath.FromSlash(h.Name))
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
		ts.Check(os.WriteFile(path, raw, 0o644))
	}
}
