package want_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/want"
)

func left(letters string) (all []image.Absent) {
	for _, l := range letters {
		d := v1.Descriptor{Digest: digest.FromString(string(l)), Size: int64(l)}
		all = append(all, image.Absent{Part: image.PartLayer, Descriptor: d, Reason: image.LeftOut})
	}
	return all
}

func called(im *image.Image) []string { return im.Names }

func TestMissing(t *testing.T) {
	foreign := left("z")
	foreign[0].Reason = image.ForeignLayer
	images := []*image.Image{
		{Names: []string{"b", "c"}, Absent: left("xy")},
		{Names: []string{"a"}, Absent: append(foreign, left("x")...),
			Referrers: []*image.Image{{Absent: left("s")}}},
	}
	l := want.Missing(images, called)
	if l.String() != "3 blobs with 356 B" {
		t.Error(l)
	}
	found := map[digest.Digest]string{}
	for _, b := range l.Blobs {
		found[b.Digest] = strings.Join(b.Images, " ")
	}
	if diff := cmp.Diff(map[digest.Digest]string{
		digest.FromString("x"): "a b c", digest.FromString("y"): "b c", digest.FromString("s"): "a",
	}, found); diff != "" {
		t.Error(diff)
	}
	var first, second bytes.Buffer
	if err := l.Write(&first); err != nil {
		t.Fatal(err)
	}
	again, err := want.Parse(&first)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, again); diff != "" {
		t.Error(diff)
	}
	images[0], images[1] = images[1], images[0]
	if err := want.Missing(images, called).Write(&second); err != nil {
		t.Fatal(err)
	}
	first.Reset()
	if err := l.Write(&first); err != nil || first.String() != second.String() {
		t.Errorf("%v\n%s\n%s", err, first.String(), second.String())
	}
}

var good = `{"mediaType":"application/vnd.drayage.want.v1+json","blobs":[{"digest":"` +
	digest.FromString("x").String() + `","size":7,"images":["a"]}]}`

func TestParseRefuses(t *testing.T) {
	one := `{"digest":"` + digest.FromString("x").String() + `","size":7}`
	tests := map[string]string{
		"not a list of wanted blobs: invalid character": "hello",
		"not a list of wanted blobs: its mediaType":     `{"mediaType":"application/vnd.oci.image.index.v1+json"}`,
		"names no blob":      `{"mediaType":"application/vnd.drayage.want.v1+json","blobs":[]}`,
		"stands there twice": strings.Replace(good, `[`, `[`+one+`,`, 1),
		"blob 1":             strings.Replace(good, `"size":7`, `"size":-7`, 1),
		"invalid digest":     strings.Replace(good, `sha256:`, `sha256:../`, 1),
		"ambiguous":          strings.Replace(good, `"size":7`, `"size":7,"size":8`, 1),
		"name fewer images":  strings.Repeat(" ", 65<<20),
		"unexpected end":     good[:len(good)-4],
		"cannot unmarshal":   strings.Replace(good, `:7`, `:"7"`, 1),
	}
	for part, text := range tests {
		if _, err := want.Parse(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v", part, err)
		}
	}
	if l, err := want.Parse(strings.NewReader("\ufeff" + good)); err != nil || len(l.Blobs) != 1 {
		t.Error(l, err)
	}
}

// What Parse takes comes back from Write and Parse as it was.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, ":7", ":1e3", 1)))
	f.Add([]byte(strings.Replace(good, "mediaType", "MEDIATYPE", 1)))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := want.Parse(bytes.NewReader(raw))
		if err != nil {
			return
		}
		l.Sort()
		var b bytes.Buffer
		if err := l.Write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := want.Parse(&b)
		if err != nil || len(again.Blobs) != len(l.Blobs) || again.Bytes() != l.Bytes() {
			t.Fatalf("%v: %v, %v", err, again, l)
		}
	})
}
