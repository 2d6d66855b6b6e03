//go:build linux

package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// index is index.json with all that it has.
type index struct {
	fields  map[string]json.RawMessage
	entries []v1.Descriptor
	raws    map[string]bool // entries as they stand there
}

func readIndex(dir string) (*index, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, err
	}
	ix := &index{raws: map[string]bool{}}
	if err := json.Unmarshal(raw, &ix.fields); err != nil {
		return nil, fmt.Errorf("index.json is no JSON: %v", err)
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(ix.fields["manifests"], &raws); err != nil {
		return nil, fmt.Errorf("index.json: %v", err)
	}
	for _, r := range raws {
		var d v1.Descriptor
		if err := json.Unmarshal(r, &d); err != nil {
			return nil, fmt.Errorf("index.json: %v", err)
		}
		ix.entries = append(ix.entries, d)
		ix.raws[string(r)] = true
	}
	return ix, nil
}

var (
	layoutFile = regexp.MustCompile(
		`^(index\.json|oci-layout|blobs/sha256/[0-9a-f]{64}|\.drayage/.+|index\.json\.damaged-\d+)$`)
	blobFile = regexp.MustCompile(`^blobs/sha256/[0-9a-f]{64}$`)
)

// soundLayout checks what must hold of a layout at any moment: every blob is what its name says, what
// index.json names is there whole, and nothing is where it does not belong. A layout that has not come to
// exist is sound. It returns the index, or nil.
func soundLayout(dir string) (*index, error) {
	files, err := snapshot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for name, sum := range files {
		if name[len(name)-1] == '/' {
			continue
		}
		if !layoutFile.MatchString(name) {
			return nil, fmt.Errorf("%s does not belong there", name)
		}
		if blobFile.MatchString(name) && sum != filepath.Base(name) {
			return nil, fmt.Errorf("%s holds something else: its hash is %s", name, sum)
		}
	}
	_, marked := files["oci-layout"]
	if _, ok := files["index.json"]; !ok {
		if marked {
			return nil, errors.New("there is a marker, but no index.json")
		}
		return nil, nil
	}
	if marked {
		var marker v1.ImageLayout
		if err := readJSON(filepath.Join(dir, "oci-layout"), &marker); err != nil || marker.Version != "1.0.0" {
			return nil, fmt.Errorf("oci-layout: version %q, %v", marker.Version, err)
		}
	}
	ix, err := readIndex(dir)
	if err != nil {
		return nil, err
	}
	for _, d := range ix.entries {
		if err := closed(dir, d, 0); err != nil {
			return nil, fmt.Errorf("index.json names what is not whole: %v", err)
		}
	}
	return ix, nil
}

func readJSON(path string, v any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// closed checks that a blob and all that it refers to are there.
func closed(dir string, d v1.Descriptor, depth int) error {
	path := filepath.Join(dir, "blobs", "sha256", d.Digest.Encoded())
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	if fi.Size() != d.Size {
		return fmt.Errorf("%s has %d bytes, not %d", d.Digest, fi.Size(), d.Size)
	}
	if d.MediaType != v1.MediaTypeImageManifest && d.MediaType != v1.MediaTypeImageIndex || depth > 4 {
		return nil
	}
	var doc struct {
		Config    *v1.Descriptor
		Layers    []v1.Descriptor
		Manifests []v1.Descriptor
	}
	if err := readJSON(path, &doc); err != nil {
		return err
	}
	if doc.Config != nil {
		doc.Layers = append(doc.Layers, *doc.Config)
	}
	for _, c := range append(doc.Layers, doc.Manifests...) {
		if err := closed(dir, c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// keeps checks that nothing of an earlier index was lost. An entry of the same name may be another.
func (ix *index) keeps(before *index) error {
	if before == nil {
		return nil
	}
	if ix == nil {
		return errors.New("index.json is gone")
	}
	for name, value := range before.fields {
		if name != "manifests" && string(ix.fields[name]) != string(value) {
			return fmt.Errorf("index.json has lost %q", name)
		}
	}
	for raw := range before.raws {
		if !ix.raws[raw] {
			return fmt.Errorf("index.json has lost the entry %s", raw)
		}
	}
	return nil
}
