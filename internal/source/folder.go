package source

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/usage"
	"drayage/internal/volume"
)

// folder is a directory that is no layout.
type folder struct {
	path  string
	root  *os.Root
	names []string // of what is in it
}

// openFolder reads a directory that holds an image in another form than that of a layout, as the tar that it
// could be. notLayout is why it is no layout.
func (s *Set) openFolder(ctx context.Context, notLayout error, opts Options) error {
	root, err := os.OpenRoot(s.Spec.Path)
	if err != nil {
		return notLayout
	}
	s.closes = append(s.closes, root.Close)
	f, t := &folder{path: s.Spec.Path, root: root}, &dirTar{root: root}
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil || f.has(v1.ImageLayoutFile) {
		return notLayout
	}
	for _, e := range entries {
		f.names = append(f.names, e.Name())
	}
	if file, err := f.setFile(opts); err != nil || file != "" {
		s.Spec.Kind, s.Spec.Path = Archive, file
		return s.openSet(ctx, file, err, opts)
	}
	if len(f.names) == 0 {
		return f.explain(notLayout)
	}
	if opts.Trust != nil {
		return cmp.Or(leftBehind(f.path, f.names), s.unsigned())
	}
	what, err := f.pack(t)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", f.path, err)
	case what == "":
		return f.explain(notLayout)
	}
	opts.Note(fmt.Sprintf("note: %s is %s: it is read as it is", f.path, what))
	in, err := fromReaderAt(t, t.size+2*tarBlock, f.path) // zeros are its end
	if err != nil {
		return err
	}
	return s.openArchive(ctx, in, opts)
}

func (f *folder) has(names ...string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { _, err := f.root.Stat(n); return err != nil })
}

// pack enters the files of an image into a tar, and says what the directory is. If it is none of an image,
// pack returns nothing.
func (f *folder) pack(t *dirTar) (what string, err error) {
	raw := f.read("manifest.json")
	switch {
	case bytes.HasPrefix(raw, []byte("{")):
		what = "a directory of skopeo's (dir:)"
		if f.has("signature-1") {
			what += ", whose simple signatures stay behind"
		}
		return what, f.packSkopeo(t, raw)
	case bytes.HasPrefix(raw, []byte("[")), f.has("repositories"), f.hasV1():
		return "an unpacked tar of docker save", t.addAll()
	}
	return "", nil
}

// read returns a file of JSON, or nothing.
func (f *folder) read(name string) []byte {
	fi, err := f.root.Stat(name)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > image.MaxManifestSize {
		return nil
	}
	raw, _ := f.root.ReadFile(name) // what cannot be read is not there
	return raw
}

// hasV1 reports whether there is a directory of a layer as docker save wrote it before Docker 1.10.
func (f *folder) hasV1() bool {
	return slices.ContainsFunc(f.names, func(n string) bool {
		return len(n) == 64 && f.has(n+"/json", n+"/layer.tar")
	})
}

// skopeoFile is the name of a blob, or of one manifest of several
// (https://github.com/containers/image/blob/v5.34.0/docs/containers-transports.5.md).
var skopeoFile = regexp.MustCompile(`^(?:(sha512)-([0-9a-f]{128})|([0-9a-f]{64}))(\.manifest\.json)?$`)

// packSkopeo makes a layout of what skopeo has put into a directory: one image, whose manifest is raw.
func (f *folder) packSkopeo(t *dirTar, raw []byte) error {
	var kind struct {
		MediaType string          `json:"mediaType"`
		Manifests json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(raw, &kind); err != nil {
		return fmt.Errorf("manifest.json: %w", err)
	}
	if kind.MediaType == "" {
		kind.MediaType = v1.MediaTypeImageManifest
		if kind.Manifests != nil {
			kind.MediaType = v1.MediaTypeImageIndex
		}
	}
	index := v1.Index{Manifests: []v1.Descriptor{image.Describe(kind.MediaType, raw)}}
	index.SchemaVersion = 2
	list, err := json.Marshal(index)
	if err != nil {
		return err
	}
	t.addRaw(v1.ImageLayoutFile, []byte(`{"imageLayoutVersion":"1.0.0"}`))
	t.addRaw(v1.ImageIndexFile, list)
	t.addRaw(blobFile(digest.FromBytes(raw)), raw)
	for _, name := range f.names {
		m := skopeoFile.FindStringSubmatch(name)
		if m == nil { // such as version, and signature-1
			continue
		}
		d := digest.NewDigestFromEncoded(digest.SHA256, m[3])
		if m[1] != "" {
			d = digest.NewDigestFromEncoded(digest.SHA512, m[2])
		}
		if err := t.addFile(blobFile(d), name); err != nil {
			return err
		}
	}
	return nil
}

func blobFile(d digest.Digest) string {
	return path.Join(v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// images lists what in the directory could be opened by itself.
func (f *folder) images(counts func(path string) bool) (found []string) {
	for _, n := range f.names {
		path := filepath.Join(f.path, n)
		opens := archive.MatchString(n) || f.has(n+"/"+v1.ImageLayoutFile) || f.has(n+"/manifest.json")
		if opens && counts(path) {
			found = append(found, path)
		}
	}
	return found
}

// noteOthers tells what else is in the folder that was named, if only the archive in volumes in it is read.
func (s *Set) noteOthers(opts Options) {
	dir, is := s.Spec.folder()
	if !is || s.Volumes == nil || opts.Note == nil {
		return
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return // it was there just now, and the archive has been opened
	}
	defer root.Close()
	f, volumes := &folder{path: dir, root: root, names: namesIn(dir)}, s.Volumes.Found()
	others := f.images(func(path string) bool {
		isVolume := func(v volume.State) bool { return v.File == path }
		return !notAlone.MatchString(path) && !slices.ContainsFunc(volumes.States, isVolume)
	})
	if len(others) > 0 {
		opts.Note(fmt.Sprintf("note: of %s only the archive in volumes is read: name by itself what is also "+
			"there: %s", f.path, List(others)))
	}
}

// notAlone is a name of what belongs to an archive in volumes, or of an inventory.
var notAlone = regexp.MustCompile(`(?i)\.(set|inv|tar.*\.(\d{3}|p\d\d+))$`)

// explain says what a directory is that holds no image, and what leads to one.
func (f *folder) explain(notLayout error) error {
	is := func(format string, args ...any) error {
		return usage.Errorf("%s is no layout: %s", f.path, fmt.Sprintf(format, args...))
	}
	for _, k := range foreignFolders {
		if f.has(k.files...) {
			return is("it is %s", k.what)
		}
	}
	found := f.images(func(string) bool { return true })
	if err := leftBehind(f.path, f.names); err != nil {
		return err
	}
	switch {
	case len(found) > 0:
		return is("it is a directory of images: name one of them: %s", List(found))
	case len(f.names) == 0:
		return is("it is empty")
	case skopeoFile.MatchString(f.names[0]):
		return is("it is the blobs of a layout: name the directory that holds index.json, which is above it")
	}
	return notLayout
}

// foreignFolder is a directory that is taken for an image.
type foreignFolder struct {
	files []string // all of these are in it
	what  string
}

// foreignFolders are directories that are taken for images, by what is in them.
var foreignFolders = []foreignFolder{
	{[]string{"overlay-images"}, podmans},
	{[]string{"vfs-images"}, podmans},
	{[]string{"btrfs-images"}, podmans},
	{[]string{"image", "containers"}, "the data of Docker: docker save writes a tar of an image"},
	{[]string{"io.containerd.content.v1.content"},
		"the data of containerd: ctr images export writes a tar of an image"},
	{[]string{"docker/registry/v2"}, registrys},
	{[]string{"registry/v2/repositories"}, registrys},
	{[]string{"etc", "usr"}, machines},
	{[]string{"config.json", "rootfs"}, "the bundle of a runtime, such as runc: save the image it was made of"},
	{[]string{"bin", "etc"}, machines},
	{[]string{"Dockerfile"}, recipes},
	{[]string{"Containerfile"}, recipes},
	{[]string{"sha256"}, "the blobs of a layout: name the directory above it"},
}

const (
	podmans   = "the storage of podman: podman save writes a tar of an image"
	registrys = "the storage of a registry: run the registry on it, and fetch from there"
	machines  = "the file system of a machine or container: docker import makes an image of one"
	recipes   = "what an image is built from: docker build makes one of it"
)
