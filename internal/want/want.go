// Package want has the list of blobs that somebody on the far side of a gap lacks. It travels back as a small
// file, and the near side answers it with an archive of exactly these blobs.
package want

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/jsonkeys"
	"drayage/internal/limits"
	"drayage/internal/plaintext"
	"drayage/internal/terminal"
	"drayage/internal/verify"
)

// MediaType is what a list says of itself.
const MediaType = "application/vnd.drayage.want.v1+json"

// List is a list of blobs. Lists that [List.Sort] has sorted are equal byte for byte if they mean the same.
type List struct {
	Blobs []Blob `json:"blobs"`
}

// Blob is a blob that is wanted, and the names of the images that need it.
type Blob struct {
	Digest digest.Digest `json:"digest"`
	Size   int64         `json:"size"`
	Images []string      `json:"images"`

	// Lost are the layers that a patch of the blob needs, if it travels as a patch. The file does not have them.
	Lost []image.Base `json:"-"`
}

// document is a list as it stands in a file.
type document struct {
	MediaType string `json:"mediaType"`
	List
}

// Missing lists what was left out of images and their referrers and has not been found elsewhere. called says
// what to call an image.
func Missing(images []*image.Image, called func(*image.Image) []string) *List {
	at := map[digest.Digest]int{}
	l := &List{}
	add := func(im *image.Image, names []string) {
		for _, a := range im.Absent {
			if a.Reason == image.LeftOut {
				l.add(at, a.Descriptor, names)
			}
		}
	}
	for _, im := range images {
		names := called(im)
		add(im, names)
		for _, r := range im.Referrers {
			add(r, names)
		}
	}
	l.Sort()
	return l
}

// Add enters a blob, and the names of images that need it.
func (l *List) add(at map[digest.Digest]int, d v1.Descriptor, names []string) {
	i, met := at[d.Digest]
	if !met {
		i = len(l.Blobs)
		at[d.Digest] = i
		l.Blobs = append(l.Blobs, Blob{Digest: d.Digest, Size: d.Size})
	}
	l.Blobs[i].Images = append(l.Blobs[i].Images, names...)
}

// Sort brings the blobs in the order of their digests, and the names of each in theirs, each once.
func (l *List) Sort() {
	slices.SortFunc(l.Blobs, func(a, b Blob) int { return cmp.Compare(a.Digest, b.Digest) })
	for i := range l.Blobs {
		slices.Sort(l.Blobs[i].Images)
		l.Blobs[i].Images = slices.Compact(l.Blobs[i].Images)
	}
}

// Drop takes blobs off the list.
func (l *List) Drop(blobs map[digest.Digest]bool) {
	l.Blobs = slices.DeleteFunc(l.Blobs, func(b Blob) bool { return blobs[b.Digest] })
}

// Keep takes all other blobs off the list.
func (l *List) Keep(blobs map[digest.Digest]bool) {
	l.Blobs = slices.DeleteFunc(l.Blobs, func(b Blob) bool { return !blobs[b.Digest] })
}

// Bytes is the size of all blobs.
func (l *List) Bytes() (sum int64) {
	for _, b := range l.Blobs {
		sum = verify.AddSize(sum, b.Size)
	}
	return sum
}

// String counts the blobs, and says how large they are.
func (l *List) String() string {
	return fmt.Sprintf("%s with %s", terminal.Count(len(l.Blobs), "blob"), terminal.Size(l.Bytes()))
}

// Were is String with its verb.
func (l *List) Were() string {
	if len(l.Blobs) == 1 {
		return l.String() + " was"
	}
	return l.String() + " were"
}

// Write writes the list as [Parse] reads it. It fails if Parse would refuse the list.
func (l *List) Write(w io.Writer) error {
	raw, err := json.MarshalIndent(document{MediaType, *l}, "", " ")
	if err != nil {
		return err
	}
	if err := bounded(raw); err != nil {
		return err
	}
	_, err = w.Write(append(raw, '\n'))
	return err
}

func bounded(raw []byte) error {
	if len(raw) >= limits.Want || jsonkeys.Values(raw) > limits.WantValues {
		return fmt.Errorf("a list of wanted blobs may have %s and %d values: name fewer images",
			terminal.Size(limits.Want), limits.WantValues)
	}
	return nil
}

// Parse reads a list. It refuses what is no list, digests and sizes that make no sense, and a blob that
// stands there twice.
func Parse(r io.Reader) (*List, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limits.Want+1))
	if err == nil {
		err = bounded(raw)
	}
	if err != nil {
		return nil, err
	}
	raw = plaintext.UTF8(raw)
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("not a list of wanted blobs: %v", err)
	}
	if d.MediaType != MediaType {
		return nil, fmt.Errorf("not a list of wanted blobs: its mediaType is %.100q, not %q",
			d.MediaType, MediaType)
	}
	if err := jsonkeys.Unique(raw); err != nil {
		return nil, fmt.Errorf("ambiguous: %v", err)
	}
	if len(d.Blobs) == 0 {
		return nil, fmt.Errorf("the list names no blob")
	}
	seen := map[digest.Digest]bool{}
	for i, b := range d.Blobs {
		if err := verify.Descriptor(v1.Descriptor{Digest: b.Digest, Size: b.Size}); err != nil {
			return nil, fmt.Errorf("blob %d: %w", i+1, err)
		}
		if seen[b.Digest] {
			return nil, fmt.Errorf("blob %s stands there twice", b.Digest)
		}
		seen[b.Digest] = true
	}
	return &d.List, nil
}
