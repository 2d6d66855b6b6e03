package dockerarchive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/dockerarchive"
)

func TestImagesRefuses(t *testing.T) {
	config, a, b := file(configName, configAB), file("a/layer.tar", layerA), file("b/layer.tar", layerB)
	usual := index(item(configName, nil, "a/layer.tar", "b/layer.tar"))
	layers := func(names ...string) []entry {
		return []entry{index(item(configName, nil, names...)), config, a, b}
	}
	manifest := func(body string) []entry { return []entry{file("manifest.json", body), config, a, b} }
	loop := []entry{link("a/layer.tar", "1"), link("a/1", "layer.tar")}
	var chain []entry
	for i := range 20 {
		chain = append(chain, link(fmt.Sprintf("a/%d", i), fmt.Sprint(i+1)))
	}
	for name, all := range map[string][]entry{
		"links in a loop":      append([]entry{usual, config, b}, loop...),
		"a link to itself":     {usual, config, b, link("a/layer.tar", "layer.tar")},
		"hard links in a loop": {usual, config, b, hard("a/layer.tar", "x"), hard("x", "a/layer.tar")},
		"a chain of twenty links": append([]entry{usual, config, b, link("a/layer.tar", "0"),
			file("a/20", layerA)}, chain...),
		"a link to the outside":          {usual, config, b, link("a/layer.tar", "/etc/passwd")},
		"a link up to the outside":       {usual, config, b, link("a/layer.tar", "../../../../etc/passwd")},
		"a hard link to the outside":     {usual, config, b, hard("a/layer.tar", "/etc/passwd")},
		"a link to a directory":          {usual, config, b, link("a/layer.tar", "../d"), dir("d")},
		"a link to nothing":              {usual, config, b, link("a/layer.tar", "")},
		"a directory":                    {usual, config, b, dir("a/layer.tar")},
		"a device":                       {usual, config, b, {Name: "a/layer.tar", Type: tar.TypeBlock}},
		"a pipe":                         {usual, config, b, {Name: "a/layer.tar", Type: tar.TypeFifo}},
		"a manifest that is a directory": {dir("manifest.json"), config, a, b},
		"a manifest that is a loop":      {link("manifest.json", "manifest.json"), config, a, b},

		"two manifests": {usual, config, a, b,
			index(item(configName, []string{"evil:1"}, "b/layer.tar", "a/layer.tar"))},
		"two configurations":      {usual, config, a, b, file(configName, configOf(idB, idA))},
		"two layers of one name":  {usual, config, a, b, file("a/layer.tar", layerB)},
		"two layers, one with ./": {usual, config, a, b, file("./a/layer.tar", layerA[:len(layerA)-1]+"x")},
		"a layer and a link":      {usual, config, a, b, link("a/layer.tar", "../b/layer.tar")},
		"two links of one name": {usual, config, b, link("a/layer.tar", "../b/layer.tar"),
			link("a/layer.tar", "../c/layer.tar"), file("c/layer.tar", layerA)},

		"null":                   manifest("null"),
		"an empty list":          manifest("[]"),
		"an empty file":          manifest(""),
		"an object":              manifest("{}"),
		"a list of nothing":      manifest("[null]"),
		"a list of numbers":      manifest("[1]"),
		"layers of a wrong type": manifest(`[{"Config":"` + configName + `","Layers":"a/layer.tar"}]`),
		"layers null":            manifest(`[{"Config":"` + configName + `","Layers":null}]`),
		"a layer null":           manifest(`[{"Config":"` + configName + `","Layers":["a/layer.tar",null]}]`),
		"no configuration named": manifest(`[{"Layers":["a/layer.tar","b/layer.tar"]}]`),
		"two documents":          manifest(usual.Body + usual.Body),
		"cut off":                manifest(usual.Body[:len(usual.Body)-2]),
		"nested 100,000 deep":    manifest(strings.Repeat("[", 100_000)),
		"too many values": manifest(strings.Replace(usual.Body, "{", `{"x":[`+strings.Repeat("0,", 300_000)+
			"0],", 1)),
		"larger than 16 MiB": manifest(usual.Body + strings.Repeat(" ", 16<<20)),

		"absent configuration":       {usual, a, b},
		"absent layer":               {usual, config, a},
		"a layer by an empty name":   layers("a/layer.tar", ""),
		"a layer that is the root":   layers("a/layer.tar", "/"),
		"a layer outside":            layers("a/layer.tar", "../../etc/passwd"),
		"a layer by backslashes":     layers("a/layer.tar", `b\layer.tar`),
		"a layer on a drive":         layers("a/layer.tar", `C:\layer.tar`),
		"fewer layers than diff IDs": layers("a/layer.tar"),
		"more layers than diff IDs":  layers("a/layer.tar", "b/layer.tar", "a/layer.tar"),
		"no layers":                  layers(),
		"one file as two layers":     layers("a/layer.tar", "./a/layer.tar"),
		"one file as layers of two": {index(item("1", nil, "a"), item("2", nil, "a")),
			file("1", configOf(idA)), file("2", configOf(idB)), file("a", layerA)},
		"configuration of another name": {index(item(idA.Encoded()+".json", nil, "a/layer.tar",
			"b/layer.tar")), file(idA.Encoded()+".json", configAB), a, b},
		"configuration that is a blob of another": {index(item("blobs/sha256/"+idA.Encoded(), nil, "a/layer.tar",
			"b/layer.tar")), file("blobs/sha256/"+idA.Encoded(), configAB), a, b},
		"configuration, not JSON": {index(item("c", nil, "a/layer.tar", "b/layer.tar")), file("c", "x"), a, b},
		"configuration, bad diff IDs": {index(item("c", nil, "a/layer.tar", "b/layer.tar")),
			file("c", configOf("sha256:../../x", idB)), a, b},
		"configuration over 8 MiB": {index(item("c", nil, "a/layer.tar", "b/layer.tar")),
			file("c", configAB+strings.Repeat(" ", 8<<20)), a, b},
		"configuration, a directory": {index(item("a", nil, "a/layer.tar", "b/layer.tar")), dir("a"), a, b},
	} {
		if got, err := images(archive(t, all...)); err == nil {
			t.Errorf("%s: accepted: %+v", name, got)
		}
	}
}

// TestImagesHoldsLittle checks that a small archive cannot make its reader hold much or take long: each of
// these would take gigabytes or hours.
func TestImagesHoldsLittle(t *testing.T) {
	big := strings.Repeat(" ", 8<<20-len(configAB)-10) + configAB
	many := make([]string, 100_000)
	for i := range many {
		many[i] = item("c", nil, "a", "b")
	}
	if got, err := images(archive(t, index(many...), file("c", big), file("a", layerA),
		file("b", layerB))); err == nil {
		t.Errorf("a configuration of 8 MiB that 100,000 images share: %d images", len(got))
	}

	uses := strings.Split(strings.Repeat("a ", 20_000)+"a", " ")
	twice := []entry{index(item("c", nil, uses...)), file("c", configOf(repeat(idA, len(uses))...))}
	large := strings.Repeat(layerA, 8<<20/len(layerA))
	got, err := images(archive(t, append(twice, file("a", large), file("a", large))...))
	if err != nil || len(got[0].Layers) != len(uses) {
		t.Errorf("a layer that is there twice and used %d times: %v", len(uses), err)
	}
}

// TestNamesAreBounded checks that names, which compress to nothing, cannot fill memory.
func TestNamesAreBounded(t *testing.T) {
	long := strings.Repeat("n", 900_000)
	for _, all := range [][]entry{
		{file("a", ""), {Name: "b", Type: tar.TypeSymlink, Link: long}},
		{file(long, "")},
	} {
		var many []entry
		for range 80 {
			many = append(many, all...)
		}
		if _, err := open(archive(t, many...)); err == nil || !strings.Contains(err.Error(), "names") {
			t.Errorf("80 names of 900 kB: %v", err)
		}
	}
}

func repeat(d digest.Digest, n int) []digest.Digest {
	all := make([]digest.Digest, n)
	for i := range all {
		all[i] = d
	}
	return all
}

// TestCutArchive cuts an archive everywhere: before the end of the last layer it must be refused, behind it,
// where only empty blocks are missing, it may be read.
func TestCutArchive(t *testing.T) {
	s := newStore(t)
	im := s.image("a", []string{"docker.io/library/a:1"}, s.layer(tarball(1, 2000), zipped),
		s.layer(tarball(2, 1500), plain))
	for name, whole := range map[string][]byte{
		"written":       written(t, dockerarchive.Docker, dockerarchive.Options{}, im),
		"manifest last": archive(t, with(standard[1:], standard[0])...),
	} {
		end := len(bytes.TrimRight(whole, "\x00"))
		if name == "written" {
			end = len(whole) - 1024
		}
		for cut := range len(whole) {
			if cut%512 > 1 && cut%512 < 511 && cut%97 > 0 {
				continue
			}
			got, err := images(whole[:cut])
			if cut < end && err == nil {
				t.Errorf("%s, cut at %d of %d: accepted: %+v", name, cut, len(whole), got)
			}
			if cut >= len(whole)-1024 && cut%512 == 0 && err != nil {
				t.Errorf("%s, cut at %d of %d, where nothing is missing: %v", name, cut, len(whole), err)
			}
		}
	}
}

func hasSparse(raw []byte) bool {
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := r.Next()
		if err != nil {
			return false
		}
		if h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.map"] != "" ||
			h.PAXRecords["GNU.sparse.major"] != "" {
			return true
		}
	}
}

// FuzzReader checks that any bytes are refused or read without harm, and that what is read is consistent. Its
// seeds are small: run it with -fuzzminimizetime 1x all the same, or it spends its time on making tars
// smaller.
func FuzzReader(f *testing.F) {
	addCorpus(f)
	id := digest.FromString("layer")
	small := []entry{index(item("c", []string{"a:1"}, "l")), file("c", configOf(id)), file("l", "layer")}
	f.Add(archive(f, small...))
	f.Add(archive(f, with(small, small...)...))
	f.Add(archive(f, small[0], small[1], link("l", "m"), hard("m", "n"), file("n", "layer")))
	f.Add(archive(f, index(item("c", nil, "l", "l")), file("c", configOf(id, id)), file("l", "other")))
	f.Add(archive(f, file("repositories", "{}")))
	f.Add(archive(f, slices.Concat(oldLayer("b", "", "base"), oldLayer("a", "b", "app"),
		[]entry{repositories(`{"n":{"1":"a"}}`)})...))
	f.Add(archive(f, within("d/", with(small[:2:2], hard("l", "m"), file("m", "layer")))...))
	f.Add(archive(f, within("d/", with(small[:2:2], link("l", "../d/m"), file("m", "layer"),
		file("._m", "x")))...))
	f.Add(archive(f, slices.Concat(oldLayer("b", "a", "base"), oldLayer("a", "b", "app"))...))
	f.Add(gz(f, nil, archive(f, small...)))
	f.Add(archive(f))
	s := newStore(f)
	f.Add(written(f, dockerarchive.Docker, dockerarchive.Options{},
		s.image("a", nil, s.layer([]byte("layer"), zipped))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := images(raw)
		if err != nil {
			return
		}
		if len(got) == 0 {
			t.Fatal("no image and no error")
		}
		for _, im := range got {
			sparse := false
			if im.ID != digest.FromBytes(im.Config) {
				t.Fatalf("ID %s of %q", im.ID, im.Config)
			}
			for _, l := range im.Layers {
				const most = 1 << 20 // a sparse layer may claim to have more than anybody would read
				content, err := io.ReadAll(io.LimitReader(l.Open(), most))
				stored := bytes.Contains(raw, content) || hasSparse(raw)
				if errors.Is(err, dockerarchive.ErrIntegrity) && hasSparse(raw) {
					sparse = true
					continue
				}
				if err != nil || int64(len(content)) != min(l.Size(), most) || l.DiffID.Validate() != nil || !stored {
					t.Fatalf("layer %q: %d of %d bytes, %v", l.Path, len(content), l.Size(), err)
				}
				sparse = sparse || l.Size() > most
			}
			if sparse {
				continue
			}
			if _, err := im.Image(t.Context()); err != nil {
				t.Fatalf("read, but not to be written: %v", err)
			}
		}
	})
}
