//go:build linux

package interop

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/internal/schema1test"
)

type fields = map[string]any

// oldLayer is a layer as a registry of old has it. The Blob of its description is filled in.
type oldLayer struct {
	stored []byte
	fields fields
}

// oldImages are images as versions of Docker pushed them. Each prints its name.
func oldImages(t *testing.T) map[string][]oldLayer {
	busybox, err := os.ReadFile(shell(t))
	if err != nil {
		t.Fatal(err)
	}
	program := tarFile(t, "bin/busybox", busybox)
	step := func(command string, more fields) fields {
		f := fields{"created": "2015-04-05T06:07:08.123456789Z", "author": "A <a@example.org>",
			"container_config": fields{"Cmd": []string{"/bin/sh", "-c", command}}}
		maps.Copy(f, more)
		return f
	}
	top := func(name, version string, more fields) fields {
		f := step("#(nop) CMD", fields{
			"config": fields{"Cmd": []string{"/bin/busybox", "echo", name}, "Env": []string{"A=<b> & c"},
				"Novel": fields{"b": 1, "a": 2}},
			"os": "linux", "architecture": "amd64", "docker_version": version, "comment": "c", "novel": []int{1},
		})
		maps.Copy(f, more)
		return f
	}
	text := tarFile(t, "text", []byte("text\n"))
	return map[string][]oldLayer{
		"docker1.12": {
			{gzipped(t, program), step("#(nop) ADD", nil)},
			{schema1test.EmptyBlob, step("#(nop) ENV", fields{"throwaway": true})},
			{gzipped(t, text), step("echo text > text", nil)},
			{schema1test.EmptyBlob, top("docker1.12", "1.12.6", fields{"throwaway": true})},
		},
		"docker1.9": {
			{schema1test.EmptyBlob, step("#(nop) MAINTAINER", fields{"Size": 0})},
			{gzipped(t, program), step("#(nop) ADD", fields{"Size": len(busybox)})},
			{schema1test.EmptyBlob, step("#(nop) ENV", fields{"Size": 0})},
			{gzipped(t, text), top("docker1.9", "1.9.1", fields{"Size": 5})},
		},
		"uncompressed": {
			{program, step("#(nop) ADD", nil)},
			{text, top("uncompressed", "1.12.6", nil)},
		},
		"docker1.6": {
			{gzipped(t, program), step("#(nop) ADD", fields{"Size": len(busybox)})},
			{gzipped(t, text), step("echo text > text", fields{"Size": 5, "id": schema1test.ID(1)})},
			// a repeat
			{gzipped(t, text), step("echo text > text",
				fields{"Size": 5, "id": schema1test.ID(1), "parent": schema1test.ID(0)})},
			{schema1test.EmptyBlob, top("docker1.6", "1.6.2", fields{"Size": 0, "parent": schema1test.ID(1)})},
		},
	}
}

func tarFile(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	header := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), ModTime: time.Unix(1428214028, 0),
		Format: tar.FormatUSTAR}
	if err := w.WriteHeader(header); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// seedOld signs an image and puts it into a registry, which checks the signature. It returns the reference by
// tag and the digest.
func seedOld(t *testing.T, addr, name string, layers []oldLayer) (string, digest.Digest) {
	t.Helper()
	repo := repository(addr, "old/"+name)
	image := schema1test.Image{Name: repo.Name, Tag: "1", Architecture: "amd64"}
	for _, l := range layers {
		d := digest.FromBytes(l.stored)
		if err := repo.PutBlob(t.Context(), d, int64(len(l.stored)), bytes.NewReader(l.stored)); err != nil {
			t.Fatal(err)
		}
		image.Layers = append(image.Layers, schema1test.Layer{Blob: d, Fields: l.fields})
	}
	payload := image.Payload()
	signed := schema1test.Sign(payload, schema1test.NewSigner())
	const mediaType = "application/vnd.docker.distribution.manifest.v1+prettyjws"
	if err := repo.PutManifest(t.Context(), "1", mediaType, signed); err != nil {
		t.Fatal(err)
	}
	return addr + "/" + repo.Name + ":1", digest.FromBytes(payload)
}

// TestSchema1 compares what drayage makes of images in schema 1 with what Docker makes of them when it pulls
// them, and with what skopeo copies: the image ID is Docker's and skopeo's, the manifest is skopeo's, byte
// for byte.
func TestSchema1(t *testing.T) {
	requireDocker(t)
	require(t, "skopeo", "docker-registry")
	images := oldImages(t)
	addr := startRegistry2With(t, "compatibility: {schema1: {enabled: true}}\n")
	puller, loader := startDocker(t), startDocker(t)
	for _, name := range slices.Sorted(maps.Keys(images)) {
		t.Run(name, func(t *testing.T) {
			ref, dgst := seedOld(t, addr, name, images[name])
			puller.run(t, "pull", ref)
			id := puller.id(t, ref)

			dir := scratch(t)
			layout, saved, direct := filepath.Join(dir, "layout"), filepath.Join(dir, "saved.tar"),
				filepath.Join(dir, "direct.tar")
			drayage(t, "fetch", ref, "-o", layout, "--platform", "linux/amd64").ok(t)
			drayage(t, "fetch", addr+"/old/"+name+"@"+dgst.String(), "-o", layout, "--platform", "linux/amd64").ok(t)
			drayage(t, "save", "oci:"+layout+":"+ref, "-o", saved).ok(t)
			drayage(t, "save", ref, "-o", direct).ok(t)
			run(t, "cmp", saved, direct)

			loader.run(t, "load", "-i", saved)
			equal(t, "image ID", loader.id(t, ref), id)
			equal(t, "docker run prints", loader.start(t, ref), name)
			equal(t, "docker run prints after the pull", puller.start(t, ref), name)

			// Pushed on, it is the image that skopeo would have pushed.
			pushed := startRegistry3(t)
			drayage(t, "push", "oci:"+layout+":"+ref, pushed+"/drayage:1").ok(t)
			skopeo(t, "copy", "--format", "v2s2", "--src-tls-verify=false", "--dest-tls-verify=false", "docker://"+ref,
				"docker://"+pushed+"/skopeo:1")
			ours, oursDigest := readManifest(t, pushed, "drayage", "1")
			theirs, theirDigest := readManifest(t, pushed, "skopeo", "1")
			equal(t, "image ID in the registry", ours.Config.Digest.String(), id)
			equal(t, "image ID by skopeo", theirs.Config.Digest.String(), id)
			if name != "uncompressed" { // skopeo compresses such layers
				equal(t, "digest of the manifest", oursDigest, theirDigest)
			}
		})
	}
}
