package main

import (
	"archive/tar"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

// unpackTar unpacks a tar into a new directory beside it.
func unpackTar(t *testing.T, file, dir string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			writeFile(t, filepath.Join(dir, h.Name), string(raw))
		}
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// wildFolders makes directories of one image, as other tools write them, and returns them with its digest.
func wildFolders(t *testing.T) (w *wildLayout, folders map[string]string, dgst string) {
	w = newWildLayout(t)
	layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, "content")
	config := w.putJSON(v1.MediaTypeImageConfig, amd64(diffID))
	m := w.manifest("app:1", v1.MediaTypeImageManifest, config, layer)
	dir := t.TempDir()
	folders = map[string]string{}
	formats := map[string]string{"docker": "docker", "oci": "oci", "hauler": "oci", "bare": "oci"}
	for name, format := range formats {
		file := filepath.Join(dir, name+".tar")
		if _, stderr, code := w.run("save", "", "-o", file, "--format", format); code != 0 {
			t.Fatal(stderr)
		}
		folders[name] = filepath.Join(dir, name)
		unpackTar(t, file, folders[name])
	}
	os.Remove(filepath.Join(folders["hauler"], "oci-layout"))
	os.Remove(filepath.Join(folders["bare"], "oci-layout"))
	os.Remove(filepath.Join(folders["bare"], "manifest.json"))
	folders["skopeo"] = filepath.Join(dir, "skopeo")
	for name, d := range map[string]v1.Descriptor{
		"manifest.json": m, config.Digest.Encoded(): config, layer.Digest.Encoded(): layer,
	} {
		raw, err := image.ReadAll(t.Context(), w.dir, d, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(folders["skopeo"], name), string(raw))
	}
	writeFile(t, filepath.Join(folders["skopeo"], "version"), "Directory Transport Version: 1.1\n")
	return w, folders, m.Digest.String()
}

// Wild case 22: a directory that holds an image, and is no layout, is read as what it is.
func TestWild22FoldersOfOtherTools(t *testing.T) {
	_, folders, dgst := wildFolders(t)
	reg := fakeregistry.New()
	server := httptest.NewServer(reg)
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	for name, dir := range folders {
		for _, args := range [][]string{
			{"verify", dir}, {"ls", dir}, {"inspect", dir}, {"config", dir}, {"push", dir, host + "/" + name + ":1"},
			{"save", dir, "-o", dir + "2.tar"}, {"save", dir, "-o", dir + "3.tar", "--format", "oci"},
			{"verify", dir + "2.tar"}, {"verify", dir + "3.tar"},
		} {
			if stdout, stderr, code := command(t, args...); code != 0 {
				t.Errorf("%v: %d, %s%s", args, code, stdout, stderr)
			}
		}
		if name != "docker" {
			for _, args := range [][]string{{"manifest", dir}, {"digest", dir}, {"blob", dir + "@" + dgst, "-o",
				filepath.Join(t.TempDir(), "blob")}} {
				if stdout, stderr, code := command(t, args...); code != 0 {
					t.Errorf("%v: %d, %s%s", args, code, stdout, stderr)
				}
			}
			if got, found := reg.Tag(name, "1"); !found || got.Digest.String() != dgst {
				t.Errorf("%s: pushed as %s, want %s", name, got.Digest, dgst)
			}
		}
	}
	stdout, stderr, code := command(t, "ls", "dir:"+folders["skopeo"])
	if code != 0 || !strings.Contains(stdout, dgst) {
		t.Errorf("dir: %d, %s%s", code, stdout, stderr)
	}
}

// Wild case 22, continued: what is no image is called by its name.
func TestWild22FoldersThatAreNoImage(t *testing.T) {
	w, folders, _ := wildFolders(t)
	dir := t.TempDir()
	for _, file := range []string{
		"podman/overlay-images/images.json", "dockerd/image/overlay2/repositories.json", "dockerd/containers/x",
		"containerd/io.containerd.content.v1.content/x", "registry/docker/registry/v2/x", "root/etc/x",
		"root/usr/x", "tars/a.tar", "tars/b\x1b.tar.gz", "source/Dockerfile", "several/app:1/oci-layout",
		"several/app:2/manifest.json", "bundle/config.json", "bundle/rootfs/x", "alpine/bin/x", "alpine/etc/x",
		"podman-build/Containerfile", "noindex/blobs/sha256/x", "blobs/" + strings.Repeat("0", 64),
	} {
		writeFile(t, filepath.Join(dir, file), "x")
	}
	for name, want := range map[string]string{
		"podman": "podman save", "dockerd": "docker save", "containerd": "ctr images export",
		"registry": "run the registry", "root": "docker import", "tars": "a.tar",
		"source": "docker build", "several": "app:2", "bundle": "runtime",
		"alpine": "docker import", "podman-build": "docker build", "blobs": "above",
	} {
		for _, args := range [][]string{{"inspect"}, {"verify"}, {"save", "-o", "x.tar"}, {"ls"}} {
			_, stderr, code := command(t, append(args, filepath.Join(dir, name))...)
			if code != exitUsage || !strings.Contains(stderr, want) || strings.Contains(stderr, "\x1b") {
				t.Errorf("%s %s: %d, %s", args[0], name, code, stderr)
			}
		}
	}
	writeFile(t, filepath.Join(dir, "noindex/oci-layout"), `{"imageLayoutVersion":"1.0.0"}`)
	_, stderr, _ := command(t, "ls", filepath.Join(dir, "noindex"))
	if strings.Contains(stderr, "statat") || !strings.Contains(stderr, "index.json, which lists") {
		t.Error(stderr)
	}
	_, stderr, code := command(t, "ls", t.TempDir())
	if code != exitUsage || !strings.Contains(stderr, "empty") {
		t.Errorf("empty: %d, %s", code, stderr)
	}
	_, stderr, _ = command(t, "ls", filepath.Join(w.dir.Path(), "blobs"))
	if !strings.Contains(stderr, "above") {
		t.Error(stderr)
	}
	link := filepath.Join(folders["docker"], "manifest.json") // to something outside
	os.Rename(link, filepath.Join(dir, "manifest.json"))
	if err := os.Symlink(filepath.Join(dir, "manifest.json"), link); err != nil {
		t.Skip(err)
	}
	if stdout, stderr, code := command(t, "ls", folders["docker"]); code == 0 {
		t.Errorf("a link leads outside: %s%s", stdout, stderr)
	}
}
