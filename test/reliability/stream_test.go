//go:build linux

package reliability

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
)

var streamCases = []trouble{
	{51, "small input that unpacks to very much: gzip and zstd bombs, large windows, nesting",
		"unpacks as a stream, with a bound on the window; memory does not grow", "", []fault{
			{name: "a gigabyte of zeros in a layer", local: true, run: refuses(bomb(1 << 30))},
			{name: "a layer of a gigabyte of zeros that is right", local: true, run: rightBomb},
			{name: "zstd window of 2 GiB", local: true, run: refusesWith(wrongOrLarge, func(a *archive) {
				a.replace("layer0/layer.tar", imagetest.Entry{Name: "layer0/layer.tar",
					Body: "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00"})
			})},
			{name: "gzip in gzip in gzip", local: true, run: refuses(func(a *archive) {
				a.replace("layer0/layer.tar", imagetest.Entry{Name: "layer0/layer.tar",
					Body: string(zip(zip(zip(a.img.tars[0]))))})
			})},
			{name: "a gigabyte of zeros in place of a tar, compressed", local: true, run: wholeBomb},
		}},
	{52, "sparse files, negative or huge sizes, records of a gigabyte",
		"refuses them before it allocates anything", "", []fault{
			{name: "size of 2^63 - 1", local: true, run: rawHeader(func(h []byte) { base256(h[124:136], 1<<63-1) })},
			{name: "negative size", local: true, run: rawHeader(func(h []byte) {
				copy(h[124:136], bytes.Repeat([]byte{0xff}, 12))
			})},
			{name: "octal size of 8 GiB", local: true, run: rawHeader(func(h []byte) {
				copy(h[124:136], "77777777777\x00")
			})},
			{name: "PAX record of a gigabyte", local: true, run: giantRecord},
			{name: "PAX size of 2^62", local: true, run: paxSize("4611686018427387904")},
			{name: "PAX size that is negative", local: true, run: paxSize("-1")},
			{name: "GNU sparse file as a layer", local: true, run: rawHeader(func(h []byte) { h[156] = 'S' })},
		}},
	{53, "an archive that is cut, has no end, or has something after its end",
		"refuses what is cut, and a second archive after the end; ignores zeros there", "", []fault{
			{name: "cut at every block", local: true, run: cutEverywhere},
			{name: "zeros behind the end", local: true, run: takesRaw(func(raw []byte) []byte {
				return append(raw, make([]byte, 20<<10)...)
			})},
			{name: "no end", local: true, run: takesRaw(func(raw []byte) []byte { return raw[:len(raw)-1024] })},
			{name: "a second archive behind the end", local: true, run: secondArchive},
		}},
	{54, "several gzip members, gzip of gzip, whole archives compressed, wrong extensions",
		"looks at content and not at names; removes one layer of compression from the whole", "", []fault{
			{name: "two members", local: true, run: takesRaw(func(raw []byte) []byte {
				return append(zip(raw[:5000]), zip(raw[5000:])...)
			})},
			{name: "whole archive in gzip", local: true, run: takesRaw(zip)},
			{name: "whole archive in zstd with a frame to skip", local: true, run: takesRaw(func(raw []byte) []byte {
				w, err := zstd.NewWriter(nil)
				must(err)
				defer w.Close()
				return append([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00skip"), w.EncodeAll(raw, nil)...)
			})},
			{name: "gzip of gzip", local: true, run: refusesRaw(func(raw []byte) []byte { return zip(zip(raw)) })},
			{name: "gzip that is cut", local: true, run: refusesRaw(func(raw []byte) []byte {
				z := zip(raw)
				return z[:len(z)-9]
			})},
			{name: "gzip with a wrong checksum", local: true, run: refusesRaw(func(raw []byte) []byte {
				z := zip(raw)
				z[len(z)-8] ^= 1
				return z
			})},
			{name: "layers in gzip", local: true, run: takes(func(a *archive) {
				for i, plain := range a.img.tars {
					name := fmt.Sprintf("layer%d/layer.tar", i)
					a.replace(name, imagetest.Entry{Name: name, Body: string(zip(plain))})
				}
			})},
		}},
	{55, "names and tags with control characters, and very many entries",
		"quotes what it prints, leaves out invalid tags, and takes memory only for names", "", []fault{
			{name: "escape in a tag", local: true, run: leavesOutNames(func(a *archive) {
				a.image.RepoTags = []string{"app:1\x1b[2J"}
			})},
			{name: "newline in a tag", local: true, run: leavesOutNames(func(a *archive) {
				a.image.RepoTags = []string{"app:1\napp:2"}
			})},
			{name: "escape in the name of a layer that is missing", local: true, run: refuses(func(a *archive) {
				a.image.Layers[0] = "\x1b]0;evil\x07/layer.tar"
			})},
			{name: "names that are not UTF-8", local: true, run: takes(func(a *archive) {
				a.add(imagetest.Entry{Name: "\xff\xfe", Body: "x"})
			})},
			{name: "a hundred thousand entries", local: true, run: takes(func(a *archive) {
				for i := range 100_000 {
					a.add(imagetest.Entry{Name: fmt.Sprintf("member%d", i)})
				}
			})},
		}},
}

// zeros is a layer of n zeros, compressed.
func zeros(n int64) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	block := make([]byte, 1<<20)
	for ; n > 0; n -= int64(len(block)) {
		_, err := w.Write(block[:min(n, int64(len(block)))])
		must(err)
	}
	must(w.Close())
	return b.Bytes()
}

func bomb(n int64) func(*archive) {
	return func(a *archive) {
		a.replace("layer0/layer.tar", imagetest.Entry{Name: "layer0/layer.tar", Body: string(zeros(n))})
	}
}

// rightBomb is a layer that unpacks to much and is what its diff ID says: nobody can call it wrong.
func rightBomb(t *try) {
	const size = 1 << 30
	hash := digest.SHA256.Digester()
	block := make([]byte, 1<<20)
	for range size / len(block) {
		hash.Hash().Write(block)
	}
	s, reg := t.fake()
	reg.PutImage("app", "1",
		fakeregistry.Image{Layers: []fakeregistry.Layer{{Content: zeros(size), DiffID: hash.Digest()}}})
	r := t.must("fetch", s.ref("app:1"), "-o", "images")
	t.bounded(r)
	v := t.must("verify", "images")
	t.bounded(v)
	t.note("%d MiB of memory to verify it", v.peak>>20)
}

// wholeBomb has no tar in it. No more may be written to the temporary directory than it takes to see that.
func wholeBomb(t *try) {
	t.write("in/image.tar", zeros(1<<30))
	s := t.registry()
	r := t.run("push", "in/image.tar", s.ref("app:1"))
	t.failed(r, []int{exitIntegrity})
	t.bounded(r)
	t.tidy()
}

// rawHeader changes the header of the first layer, and its checksum with it.
func rawHeader(change func([]byte)) func(*try) {
	return func(t *try) {
		raw := newArchive(t).bytes()
		at := bytes.Index(raw, []byte("layer0/layer.tar"))
		h := raw[at : at+512]
		change(h)
		sum(h)
		t.refused(raw)
	}
}

// sum writes the checksum of a header.
func sum(h []byte) {
	copy(h[148:156], "        ")
	n := 0
	for _, c := range h {
		n += int(c)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", n))
}

// base256 writes a number as GNU tar does where octal digits do not suffice.
func base256(field []byte, n int64) {
	clear(field)
	field[0] = 0x80
	for i := range 8 {
		field[len(field)-1-i] = byte(n >> (8 * i))
	}
}

// giantRecord announces a record of a gigabyte that takes no room on the disk.
func giantRecord(t *try) {
	h := header('x', "PaxHeaders/x", 0)
	copy(h[124:136], fmt.Sprintf("%011o\x00", 1<<30))
	sum(h)
	t.write("in/image.tar", h)
	must(os.Truncate(t.path("in/image.tar"), 1<<30+2048))
	t.refusedFile()
}

// header is a plain header.
func header(kind byte, name string, size int64) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:108], "0000644\x00")
	copy(h[108:116], "0000000\x00")
	copy(h[116:124], "0000000\x00")
	copy(h[124:136], fmt.Sprintf("%011o\x00", size))
	copy(h[136:148], "00000000000\x00")
	h[156] = kind
	copy(h[257:265], "ustar\x0000")
	sum(h)
	return h
}

// paxSize gives the first layer another size in a PAX record.
func paxSize(size string) func(*try) {
	return func(t *try) {
		raw := newArchive(t).bytes()
		at := bytes.Index(raw, []byte("layer0/layer.tar"))
		record := "size=" + size + "\n"
		n := len(record) + 3
		record = fmt.Sprintf("%d %s", n, record)
		for len(record) != n {
			n = len(record)
			record = fmt.Sprintf("%d size=%s\n", n, size)
		}
		block := make([]byte, 512)
		copy(block, record)
		pax := append(header('x', "PaxHeaders/layer", int64(len(record))), block...)
		t.refused(append(append(bytes.Clone(raw[:at]), pax...), raw[at:]...))
	}
}

func takesRaw(change func([]byte) []byte) func(*try) {
	return func(t *try) {
		a := newArchive(t)
		t.taken(change(a.bytes()), a.img)
	}
}

func refusesRaw(change func([]byte) []byte) func(*try) {
	return func(t *try) { t.refused(change(newArchive(t).bytes())) }
}

// cutEverywhere cuts an archive at the start of each block and in its middle. What is left is refused, unless
// only the end marks are gone.
func cutEverywhere(t *try) {
	a := newArchive(t)
	raw := a.bytes()
	whole := len(raw) - 1024
	for n := 0; n < whole; n += 256 {
		if n > 4096 && n < whole-4096 && n%4096 != 0 {
			continue
		}
		t.write("in/image.tar", raw[:n])
		r := t.run("save", "in/image.tar", "-o", "out.tar")
		if n > whole-512 && r.code == 0 {
			t.savedAs("out.tar", a.img) // only the zeros behind the last file are cut
			continue
		}
		if t.failed(r, []int{exitIntegrity}); t.exists("out.tar") {
			t.Fatalf("cut at byte %d: a tar was written", n)
		}
	}
}

func secondArchive(t *try) {
	a := newArchive(t)
	other := newImage("second", 10<<10).saved("docker.io/library/other:1")
	t.refused(append(a.bytes(), other...))
}

var graphCases = []trouble{
	{56, "a manifest that is also an index, or of another type than its header says",
		"refuses it, because two readers would see two images", "", []fault{
			{name: "layers and manifests", run: manifestFails(func(m map[string]any, img *image) {
				m["manifests"] = []any{img.desc}
			})},
			{name: "an image that is called an index", run: servedAs(v1.MediaTypeImageIndex)},
			{name: "an image that calls itself an index", run: manifestFails(func(m map[string]any, _ *image) {
				m["mediaType"] = v1.MediaTypeImageIndex
			})},
		}},
	{57, "indexes in indexes, very many children, children that are listed often",
		"goes eight levels deep, and reads at most ten thousand manifests, each once", "", []fault{
			{name: "a thousand levels", run: nestedIndexes},
			{name: "a hundred thousand children", run: manyChildren},
			{name: "one child a thousand times", run: oneChild},
			{name: "two images that are each other's referrers", run: referrersInACircle},
		}},
	{58, "digests that are paths, too short, in upper case or of unknown algorithms",
		"checks every digest before it uses it in a path or an address; takes sha256 and sha512", "",
		digestFaults()},
	{59, "negative, huge or wrong sizes", "refuses them; never allocates what a descriptor says", "", []fault{
		{name: "negative", run: layerFails("size", -1)},
		{name: "2^62", run: layerFails("size", 1<<62)},
		{name: "a byte too small", run: layerSize(-1)},
		{name: "a byte too large", run: layerSize(1)},
		{name: "zero", run: layerFails("size", 0)},
		{name: "data that is something else", run: otherData},
	}},
	{60, "foreign layers' addresses, unknown types, no layers, other schemes",
		"asks no such address without --foreign-urls, copies unknown blobs as they are, and says what cannot " +
			"become a docker tar", "", []fault{
			{name: "urls to somewhere inside", run: foreignURLs},
			{name: "unknown types of layers", run: unknownTypes},
			{name: "no layers", run: noLayers},
			{name: "encrypted layers", run: encryptedLayers},
			{name: "Docker's schema 1", run: schemaOne},
			{name: "schema 1 with a layer that is no history's", run: schemaOneWrong},
		}},
}

// served puts a manifest of any content into a registry that holds the image's blobs, as app:1.
func (t *try) servedManifest(img *image, mediaType string, raw []byte) *site {
	s, reg := t.fake()
	img.put(reg, "app", "good")
	reg.PutManifest("app", "1", mediaType, raw)
	return s
}

// unfetched checks that an image is refused by fetch and by save, with little memory, and that nothing is
// published.
func (t *try) unfetched(s *site, codes ...int) {
	if codes == nil {
		codes = []int{exitOther, exitIntegrity}
	}
	before := t.files("..")
	r := t.run("fetch", s.ref("app:1"), "-o", "images", "--platform", "all")
	t.failed(r, codes)
	t.bounded(r)
	t.lacks("images", s.ref("app:1"))
	r = t.run("save", s.ref("app:1"), "-o", "image.tar", "--format", "oci", "--platform", "all")
	t.failed(r, codes)
	t.bounded(r)
	if t.exists("image.tar") {
		t.Error("a tar was written")
	}
	for _, name := range t.files("..") {
		known := strings.Contains(name, "images/") || strings.Contains(name, "cache/") ||
			strings.Contains(name, ".partial") || strings.HasSuffix(name, "ca.pem")
		if !known && !strings.Contains(strings.Join(before, "\n"), name) {
			t.Errorf("a file has appeared: %s", name)
		}
	}
}

func manifestFails(change func(map[string]any, *image)) func(*try) {
	return func(t *try) {
		img := newImage("graph", 10<<10)
		m := fields(img.manifest)
		change(m, img)
		t.unfetched(t.servedManifest(img, v1.MediaTypeImageManifest, imagetest.Encode(m)))
	}
}

func servedAs(mediaType string) func(*try) {
	return func(t *try) {
		img := newImage("graph", 10<<10)
		t.unfetched(t.servedManifest(img, mediaType, img.manifest))
	}
}

// layerFails changes one field of the descriptor of the first layer.
func layerFails(field string, value any) func(*try) {
	return manifestFails(func(m map[string]any, _ *image) { layerOf(m)[field] = value })
}

func layerSize(by int) func(*try) {
	return manifestFails(func(m map[string]any, img *image) { layerOf(m)["size"] = len(img.layers[0]) + by })
}

func layerOf(m map[string]any) map[string]any { return m["layers"].([]any)[0].(map[string]any) }

func digestFaults() (all []fault) {
	hex := strings.Repeat("0123456789abcdef", 4)
	for _, f := range []struct{ name, digest string }{
		{"a path", "sha256:../../../../tmp/drayage-evil"},
		{"a path of the right length", "sha256:" + ("../../../../tmp/" + hex)[:64]},
		{"upper case", "sha256:" + strings.ToUpper(hex)}, {"too short", "sha256:" + hex[1:]},
		{"too long", "sha256:" + hex + "0"},
		{"unknown algorithm", "sha999:" + hex}, {"md5", "md5:" + hex[:32]}, {"no algorithm", hex}, {"empty", ""},
		{"a newline", "sha256:" + hex[:63] + "\n"},
	} {
		all = append(all, fault{name: f.name, run: layerFails("digest", f.digest)})
	}
	return append(all, fault{name: "sha512, which is good", run: func(t *try) {
		img := newImage("graph", 10<<10)
		m := fields(img.manifest)
		long := digest.SHA512.FromBytes(img.layers[0])
		layerOf(m)["digest"] = long
		s := t.servedManifest(img, v1.MediaTypeImageManifest, imagetest.Encode(m))
		s.On(fakeregistry.Match{Path: "/blobs/" + long.String()}, fakeregistry.Answer(200, string(img.layers[0])))
		t.must("fetch", s.ref("app:1"), "-o", "images")
		if got := t.read("images/blobs/sha512/" + long.Encoded()); !bytes.Equal(got, img.layers[0]) {
			t.Error("the blob is another")
		}
	}})
}
