package delta_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/delta"
	"drayage/internal/limits"
)

var (
	a = digest.NewDigestFromEncoded(digest.SHA256, strings.Repeat("a", 64))
	b = digest.NewDigestFromEncoded(digest.SHA256, strings.Repeat("b", 64))
)

func example() *delta.Document {
	return &delta.Document{Images: []string{"docker.io/library/a:1", "docker.io/library/b:1"},
		Absent: []delta.Blob{
			{Digest: a, Size: 1, DiffID: b, MediaType: v1.MediaTypeImageLayerGzip, Images: []int32{0, 1}},
			{Digest: b, Size: 0, MediaType: "text/plain", Images: []int32{1}},
		}}
}

func TestMarshal(t *testing.T) {
	raw, err := example().Marshal()
	want := `{"mediaType":"application/vnd.drayage.delta.v1+json",
"images":[
"docker.io/library/a:1",
"docker.io/library/b:1"
],
"absent":[
{"digest":"` + a.String() + `","size":1,"diffID":"` + b.String() + `",` +
		`"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","images":[0,1]},
{"digest":"` + b.String() + `","size":0,"mediaType":"text/plain","images":[1]}
]}
`
	if string(raw) != want || err != nil {
		t.Errorf("got  %s, %v\nwant %s", raw, err, want)
	}
	got, err := delta.Parse(raw)
	if diff := cmp.Diff(example(), got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestParse(t *testing.T) {
	blob := func(fields string) string { return `{"digest":"` + a.String() + `","size":1,` + fields + `}` }
	document := func(absent ...string) string {
		return fmt.Sprintf(`{"mediaType":%q,"images":["x","y"],"absent":[%s]}`, delta.MediaType,
			strings.Join(absent, ","))
	}
	good := blob(`"mediaType":"text/plain","images":[0]`)
	for name, c := range map[string]struct{ raw, err string }{
		"good":             {document(good), ""},
		"an unknown field": {document(blob(`"mediaType":"text/plain","images":[1],"more":{"x":[1]}`)), ""},
		"spaces":           {strings.ReplaceAll(document(good), ",", " ,\n"), ""},
		"nothing rebuilt":  {`{"rebuilt": [ ],` + document(good)[1:], ""},
		"rebuilt null":     {`{"rebuilt":null,` + document(good)[1:], ""},
		"an empty patch":   {`{"rebuilt":[{}],` + document(good)[1:], "invalid digest"},
		"too many patches": {`{"rebuilt":[` + strings.Repeat("{},", limits.DeltaBlobs) + `{}],` + document(good)[1:],
			"200001 patches, more than"},
		"version 2":     {strings.Replace(document(good), ".v1+", ".v2+", 1), "a newer drayage is needed"},
		"another type":  {strings.Replace(document(good), "delta", "x", 1), "it is of the type"},
		"no type":       {`{"images":["x"],"absent":[` + good + `]}`, `it is of the type ""`},
		"nothing":       {"", "it is not valid"},
		"a list":        {"[]", "it is not valid"},
		"cut off":       {document(good)[:90], "it is not valid"},
		"two documents": {document(good) + "{}", "it is not valid"},
		"a key twice":   {`{"images":[],` + document(good)[1:], `"images" stands twice`},
		"a key in two spellings": {document(blob(`"Digest":"` + b.String() + `","mediaType":"t","images":[0]`)),
			`"Digest" stands twice`},
		"no blob":         {document(), "it lists no blob"},
		"the same twice":  {document(good, good), "not sorted, each once"},
		"unsorted":        {document(strings.Replace(good, "sha256:a", "sha256:b", 1), good), "not sorted"},
		"no digest":       {document(`{"size":1,"mediaType":"t","images":[0]}`), "digest"},
		"a path":          {document(strings.Replace(good, a.Encoded(), "../x", 1)), "digest"},
		"a negative size": {document(strings.Replace(good, `"size":1`, `"size":-1`, 1)), "size"},
		"a broken size":   {document(strings.Replace(good, `"size":1`, `"size":1.5`, 1)), "it is not valid"},
		"a bad diff ID":   {document(blob(`"diffID":"x","mediaType":"t","images":[0]`)), "diff ID"},
		"no media type":   {document(blob(`"images":[0]`)), "has no media type"},
		"a long media type": {document(blob(`"mediaType":"` + strings.Repeat("x", 300) + `","images":[0]`)),
			"has no media type"},
		"no image":        {document(blob(`"mediaType":"t","images":[]`)), "the images that need it"},
		"an image beyond": {document(blob(`"mediaType":"t","images":[2]`)), "the images that need it"},
		"image -1":        {document(blob(`"mediaType":"t","images":[-1]`)), "the images that need it"},
		"an image twice":  {document(blob(`"mediaType":"t","images":[0,0]`)), "the images that need it"},
		"images unsorted": {document(blob(`"mediaType":"t","images":[1,0]`)), "the images that need it"},
		"names unsorted":  {strings.Replace(document(good), `"x","y"`, `"y","x"`, 1), "its images are not sorted"},
		"a name twice":    {strings.Replace(document(good), `"x","y"`, `"x","x"`, 1), "its images are not sorted"},
		"an empty name":   {strings.Replace(document(good), `"x","y"`, `"","x"`, 1), "its images are not sorted"},
		"a long name": {strings.Replace(document(good), `"y"`, `"y`+strings.Repeat("y", limits.Name)+`"`, 1),
			"its images are not sorted"},
		"too many bytes":  {document(good) + strings.Repeat(" ", limits.Delta), "more than the"},
		"too many values": {document(good, strings.Repeat("0,", limits.DeltaValues)+"0"), "values, more than the"},
		"too many blobs":  {document(strings.Repeat("{},", limits.DeltaBlobs) + "{}"), "200001 blobs, more than"},
		"too many images": {strings.Replace(document(good), `"x"`, strings.Repeat(`"x",`, limits.Images)+`"x"`, 1),
			"20002 images, more than"},
	} {
		d, err := delta.Parse([]byte(c.raw))
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v; want %q", name, err, c.err)
		}
		if err == nil && (len(d.Absent) != 1 || d.Absent[0].Digest != a || d.Absent[0].Size != 1) {
			t.Errorf("%s: %+v", name, d)
		}
		if newer := strings.Contains(c.err, "newer"); newer != errors.Is(err, delta.ErrNewer) {
			t.Errorf("%s: %v is ErrNewer: %v", name, err, !newer)
		}
	}
}

// 10,000 images with ten layers each are within the limits, shared or not.
func TestLimitsAreWide(t *testing.T) {
	for name, shared := range map[string]bool{"own layers": false, "shared layers": true} {
		var d delta.Document
		all := make([]int32, 10_000)
		for i := range all {
			all[i] = int32(i)
			d.Images = append(d.Images, fmt.Sprintf("registry.example.com/some/long/repository/image-%05d:1.2.3", i))
		}
		layers := 100_000
		if shared {
			layers = 10
		}
		for i := range layers {
			l := delta.Blob{Digest: digest.Digest(fmt.Sprintf("sha256:%064x", i)), Size: 123_456_789, DiffID: a,
				MediaType: v1.MediaTypeImageLayerGzip, Images: all}
			if !shared {
				l.Images = all[i/10 : i/10+1]
			}
			d.Absent = append(d.Absent, l)
		}
		raw, err := d.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := delta.Parse(raw); err != nil || len(got.Absent) != layers {
			t.Errorf("%s: %d bytes: %v", name, len(raw), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	raw, err := example().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(raw), `{}`, `[]`, `null`, `{"absent":null,"images":null}`,
		strings.Replace(string(raw), `"images"`, `"rebuilt":[],"images"`, 1),
		patched(nil), strings.Replace(patched(nil), `"absent"`, `"unknown"`, 1),
		strings.Replace(string(raw), "[0,1]", "[1,0]", 1), strings.Replace(string(raw), "size", "Size", 1)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := delta.Parse(raw)
		if err != nil {
			return
		}
		again, err := d.Marshal()
		if err != nil || !json.Valid(again) {
			t.Fatalf("%q: %v", again, err)
		}
		same, err := delta.Parse(again)
		if err != nil {
			t.Fatalf("what was accepted is not accepted when written: %v\n%s", err, again)
		}
		if diff := cmp.Diff(d, same, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("read differently the second time:\n%s", diff)
		}
	})
}
