package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/deflate"
	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
	"drayage/internal/source"
	"drayage/internal/tarpatch"
	stored "drayage/internal/unpack"
)

// putVersions is "versions REG": it puts in plain:1, plain:2 and plain:3, three versions of an application
// with uncompressed layers on one base, and packed:1, packed:2 and packed:3, the same in gzip.
func putVersions(ts *testscript.TestScript, _ bool, args []string) {
	r := ts.Value(args[0]).(*fakeregistry.Registry)
	program := make([]byte, 400_000)
	rand.NewChaCha8([32]byte{18}).Read(program)
	base := versionBase()
	for _, version := range []string{"1", "2", "3"} {
		copy(program[len(program)/2:], "version "+version)
		top := fakeregistry.Tar(map[string]string{"app": hex.EncodeToString(program), "version": version})
		for repo, pack := range map[string]func([]byte) fakeregistry.Layer{
			"plain": imagetest.PlainLayer, "packed": imagetest.GzipLayer,
		} {
			r.PutImage(repo, version, fakeregistry.Image{Layers: []fakeregistry.Layer{pack(base), pack(top)},
				Platform: v1.Platform{OS: "linux", Architecture: "amd64"}})
		}
	}
}

func versionBase() []byte {
	return fakeregistry.Tar(map[string]string{"etc/os": strings.Repeat("os ", 1000)})
}

// ranges is "ranges HOST REPOSITORY TAG": several clients read parts of the layers of an image at once. With
// "! ranges" a layer has to be refused.
func ranges(ts *testscript.TestScript, neg bool, args []string) {
	defer http.DefaultClient.CloseIdleConnections()
	get := func(method, path, span string) ([]byte, error) {
		req, err := http.NewRequest(method, "http://"+args[0]+"/v2/"+args[1]+path, nil)
		if err != nil {
			return nil, err
		}
		if span != "" {
			req.Header.Set("Range", "bytes="+span)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode > 299 {
			err = fmt.Errorf("%s %s %s: %s %s", method, path, span, resp.Status, raw)
		}
		return raw, err
	}
	raw, err := get("GET", "/manifests/"+args[2], "")
	ts.Check(err)
	var m v1.Manifest
	ts.Check(json.Unmarshal(raw, &m))
	for _, l := range m.Layers {
		path := "/blobs/" + l.Digest.String()
		_, err := get("HEAD", path, "")
		ts.Check(err)
		parts, errs := make([][]byte, 8), make([]error, 9)
		var wg sync.WaitGroup
		for i := range parts {
			from, to := l.Size*int64(i)/8, l.Size*int64(i+1)/8-1
			wg.Go(func() { parts[i], errs[i] = get("GET", path, fmt.Sprintf("%d-%d", from, to)) })
		}
		wg.Wait()
		if got := digest.FromBytes(bytes.Join(parts, nil)); got != l.Digest {
			errs[8] = fmt.Errorf("the parts of %s are %s", l.Digest, got)
		}
		if err = errors.Join(errs...); err != nil && neg {
			return
		}
		ts.Check(err)
	}
	if neg {
		ts.Fatalf("all layers are there")
	}
}

// patched is "patched NEW.tar OLD.tar OUT.tar": OUT is NEW without the layers that OLD has, and with patches
// of these for its uncompressed layers.
func patched(ts *testscript.TestScript, _ bool, args []string) {
	p := &patcher{ts: ts, ctx: context.Background(), parts: map[digest.Digest][]byte{}}
	old, closeOld := p.open(args[1])
	defer closeOld()
	images, closeNew := p.open(args[0])
	defer closeNew()
	for _, im := range old {
		p.bases(im)
	}
	for _, im := range images {
		p.leaveOut(im)
		im.Source = &image.MemorySource{Content: p.parts, Next: im.Source}
	}
	out, err := os.Create(ts.MkAbs(args[2]))
	ts.Check(err)
	defer out.Close()
	ts.Check(dockerarchive.Stream(p.ctx, out, dockerarchive.OCI, images, dockerarchive.Options{}))
}

// patcher makes patches of all layers of old images.
type patcher struct {
	ts    *testscript.TestScript
	ctx   context.Context
	old   []image.Base
	plain []tarpatch.Base
	parts map[digest.Digest][]byte
}

func (p *patcher) open(name string) (all []*image.Image, closes func()) {
	spec := source.Spec{Text: name, Kind: source.Archive, Path: p.ts.MkAbs(name)}
	set, err := spec.Open(p.ctx, source.Options{})
	p.ts.Check(err)
	for _, im := range set.Images {
		loaded, err := im.Load(p.ctx, image.Selection{All: true})
		p.ts.Check(err)
		all = append(all, loaded)
	}
	return all, set.Close
}

func (p *patcher) bases(im *image.Image) {
	for _, d := range im.RootNode().Document.Layers {
		b := p.unpacked(im, d)
		p.old = append(p.old, image.Base{Descriptor: d, DiffID: b.DiffID})
		p.plain = append(p.plain, b)
	}
}

func (p *patcher) unpacked(im *image.Image, d v1.Descriptor) tarpatch.Base {
	var plain bytes.Buffer
	r := image.NewReader(p.ctx, im.Source, d)
	defer r.Close()
	l, err := stored.Sum(p.ctx, r, digest.SHA256, &plain)
	p.ts.Check(err)
	return tarpatch.Base{DiffID: l.DiffID, Size: l.Size, ReaderAt: bytes.NewReader(plain.Bytes())}
}

func (p *patcher) put(raw []byte) v1.Descriptor {
	d := v1.Descriptor{Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	p.parts[d.Digest] = raw
	return d
}

func (p *patcher) leaveOut(im *image.Image) {
	for _, d := range im.RootNode().Document.Layers {
		target := p.unpacked(im, d)
		a := image.Absent{Part: image.PartLayer, Descriptor: d, Reason: image.LeftOut, DiffID: target.DiffID}
		known := false
		for _, b := range p.old {
			known = known || b.Digest == d.Digest
		}
		if !known {
			a.Rebuilt = p.patch(target)
			a.Rebuilt.Recipe, a.Rebuilt.Model = p.recipe(im, d)
		}
		im.Absent = append(im.Absent, a)
	}
}

// recipe makes the recipe of a compressed layer.
func (p *patcher) recipe(im *image.Image, d v1.Descriptor) (v1.Descriptor, string) {
	if d.MediaType == v1.MediaTypeImageLayer {
		return v1.Descriptor{}, ""
	}
	r := image.NewReader(p.ctx, im.Source, d)
	defer r.Close()
	var recipe bytes.Buffer
	made, err := deflate.Make(p.ctx, r, io.Discard, &recipe, deflate.MakeOptions{Limit: 1})
	p.ts.Check(err)
	return p.put(recipe.Bytes()), made.Model
}

func (p *patcher) patch(target tarpatch.Base) *image.Rebuilt {
	var patch bytes.Buffer
	stats, err := tarpatch.Make(p.ctx, target, p.plain, &patch, tarpatch.Options{Temp: p.ts.MkAbs(".")})
	p.ts.Check(err)
	how := &image.Rebuilt{Unpacked: target.Size, Patch: p.put(patch.Bytes())}
	for _, b := range p.old {
		for _, id := range stats.Bases {
			if id == b.DiffID {
				how.Bases = append(how.Bases, b)
			}
		}
	}
	r, err := tarpatch.Open(bytes.NewReader(patch.Bytes()), int64(patch.Len()), p.plain)
	p.ts.Check(err)
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	p.ts.Check(err)
	return how
}
