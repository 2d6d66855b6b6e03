package layout_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/layout"
)

func TestBlobsListsWhatIsThere(t *testing.T) {
	d := digest.FromString("blob")
	l, err := layout.New(fstest.MapFS{
		"oci-layout":                    {Data: []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		"blobs/sha256/" + d.Encoded():   {Data: []byte("blob")},
		"blobs/sha256/not-a-digest":     {Data: []byte("x")},
		"blobs/md5/" + d.Encoded()[:32]: {Data: []byte("x")},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Blobs()
	if err != nil || len(got) != 1 || got[0].Digest != d || got[0].Size != 4 {
		t.Errorf("%v, %v", got, err)
	}
	visits := 0
	err = l.EachBlob(func(v1.Descriptor) error { visits++; return fs.ErrNotExist })
	if err != fs.ErrNotExist || visits != 1 {
		t.Errorf("%d visits, %v: the first one failed", visits, err)
	}
}
