package layout

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	tt "drayage/internal/transfertest"
)

func TestRefer(t *testing.T) {
	image, signature, sbom := desc("image"), desc("signature"), desc("sbom")
	var first []byte
	for _, order := range [][]string{{"tag", "signature", "sbom"}, {"sbom", "signature", "tag", "sbom"},
		{"signature", "tag", "signature", "sbom"}} {
		d := newDir(t)
		for _, what := range order {
			var err error
			switch what {
			case "tag":
				_, err = d.Tag(t.Context(), image, "docker.io/library/a:1", "1")
			case "signature":
				_, err = d.Enter(t.Context(), []Entry{{Descriptor: signature, Subject: image.Digest}})
			case "sbom":
				_, err = d.Enter(t.Context(), []Entry{{Descriptor: sbom, Subject: image.Digest}})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		raw, err := os.ReadFile(filepath.Join(d.Path(), "index.json"))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = raw
		}
		if string(raw) != string(first) {
			t.Errorf("%v gives\n%s, not\n%s", order, raw, first)
		}
		images, err := d.Images()
		if err != nil {
			t.Fatal(err)
		}
		got := map[digest.Digest]digest.Digest{}
		for _, im := range images {
			got[im.Descriptor.Digest] = im.Subject
		}
		want := map[digest.Digest]digest.Digest{image.Digest: "", signature.Digest: image.Digest,
			sbom.Digest: image.Digest}
		if diff := cmp.Diff(want, got); diff != "" || len(images) != 3 {
			t.Errorf("%v: %d entries, subjects (-want +got):\n%s", order, len(images), diff)
		}
	}
}

func TestSubject(t *testing.T) {
	subject := desc("image").Digest
	for ref, want := range map[string]digest.Digest{
		"sha256-" + subject.Encoded() + ".sig": subject, "sha256-" + subject.Encoded() +
			".att": subject, "sha256-" + subject.Encoded(): subject,
		"sha256-" + subject.Encoded()[1:]: "", "sha256-" + subject.Encoded() + ".SIG": "", "1.0": "", "": "",
	} {
		d := newDir(t)
		entry := `{"digest":"` + desc("x").Digest.String() +
			`","size":1,"annotations":{"org.opencontainers.image.ref.name":"` + ref + `"}}`
		if err := os.WriteFile(filepath.Join(d.Path(), "index.json"), []byte(`{"manifests":[`+entry+`]}`),
			0o644); err != nil {
			t.Fatal(err)
		}
		if images, err := d.Images(); err != nil || len(images) != 1 || images[0].Subject != want {
			t.Errorf("%q: %+v, %v; want subject %q", ref, images, err, want)
		}
	}
}

func TestStat(t *testing.T) {
	d := newDir(t)
	if err := d.Push(t.Context(), desc("content"), &tt.Source{Content: []byte("content")}, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Stat(desc("content").Digest); err != nil || got.Size != 7 ||
		got.Digest != desc("content").Digest {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := d.Stat(desc("absent").Digest); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if err := os.Mkdir(filepath.Join(d.Path(), "blobs/sha256", desc("dir").Digest.Encoded()),
		0o755); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []digest.Digest{desc("dir").Digest, "sha256:../../index.json", "", "md5:x"} {
		if got, err := d.Stat(bad); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}
