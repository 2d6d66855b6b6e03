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
	layers := func(names ...string) []entry { return []entry{index(item(configName, nil, names...)), config, a, b} }
	manifest := func(body string) []entry { return []entry{file("manifest.json", body), config, a, b} }
	loop := []entry{link("a/layer.tar", "1"), link("a/1", "layer.tar")}
	var chain []entry
	for i := range 20 {
		chain = append(chain, link(fmt.Sprintf("a/%d", i), fmt.Sprint(i+1)))
	}
	for name, all := range map[string][]entry{
		"links in a loop":                append([]entry{usual, config, b}, loop...),
		"a link to itself":               {usual, config, b, link("a/layer.tar", "layer.tar")},
		"hard links in a loop":           {usual, config, b, hard("a/layer.tar", "x"), hard("x", "a/layer.tar")},
		"a chain of twenty links":        append([]entry{usual, config, b, link("a/layer.tar", "0"), file("a/20", layerA)}, chain...),
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

		"two manifests":           {usual, config, a, b, index(item(configName, []string{"evil:1"}, "b/layer.tar", "a/layer.tar"))},
		"two configurations":      {usual, config, a, b, file(configName, configOf(idB, idA))},
		"two layers of one name":  {usual, config, a, b, file("a/layer.tar", layerB)},
		"two layers, one with ./": {usual, config, a, b, file("./a/layer.tar", layerA[:len(layerA)-1]+"x")},
		"a layer and a link":      {usual, config, a, b, link("a/layer.tar", "../b/layer.tar")},
		"two links of one name":   {usual, config, b, link("a/layer.tar", "../b/layer.tar"), link("a/layer.tar", "../c/layer.tar"), file("c/layer.tar", layerA)},

		"null":                   manifest("null"),
		"an empty list":          manifest("[]"),
		"an empty file":          manifest(""),
		"an object":              manifest("{}"),
		"a list of nothing":      manifest("[null]"),
		"a list of numbers":      manifest("[1]"),
		"layers of a wrong type": manifest(`[{"Config":"` + configName + `","Layers":"a/layer.tar"}]`),
		"tags of a wrong type":   manifest(`[{"Config":"` + configName + `","RepoTags":{},"Layers":["a/layer.tar","b/layer.tar"]}]`),
		"layers null":            manifest(`[{"Config":"` + configName + `","Layers":null}]`),
		"a layer null":           manifest(`[{"Config":"` + configName + `","Layers":["a/layer.tar",null]}]`),
		"no configuration named": manifest(`[{"Layers":["a/layer.tar","b/layer.tar"]}]`),
		"byte order mark":        manifest("\ufeff" + usual.Body),
		"two documents":          manifest(usual.Body + usual.Body),
		"cut off":                manifest(usual.Body[:len(usual.Body)-2]),
		"nested 100,000 deep":    manifest(strings.Repeat("[", 100_000)),
		"too many values":        manifest(strings.Replace(usual.Body, "{", `{"x":[`+strings.Repeat("0,", 300_000)+"0],", 1)),
		"larger than 16 MiB":     manifest(usual.Body + strings.Repeat(" ", 16<<20)),

		"absent configuration":                    {usual, a, b},
		"absent layer":                            {usual, config, a},
		"a layer by an empty name":                layers("a/layer.tar", ""),
		"a layer that is the root":                layers("a/layer.tar", "/"),
		"a layer outside":                         layers("a/layer.tar", "../../etc/passwd"),
		"a layer by backslashes":                  layers("a/layer.tar", `b\layer.tar`),
		"a layer on a drive":                      layers("a/layer.tar", `C:\layer.tar`),
		"fewer layers than diff IDs":              layers("a/layer.tar"),
		"more layers than diff IDs":               layers("a/layer.tar", "b/layer.tar", "a/layer.tar"),
		"no layers":                               layers(),
		"one file as two layers":                  layers("a/layer.tar", "./a/layer.tar"),
		"one file as layers of two":               {index(item("1", nil, "a"), item("2", nil, "a")), file("1", configOf(idA)), file("2", configOf(idB)), file("a", layerA)},
		"configuration of another name":           {index(item(idA.Encoded()+".json", nil, "a/layer.tar", "b/layer.tar")), file(idA.Encoded()+".json", configAB), a, b},
		"configuration that is a blob of another": {index(item("blobs/sha256/"+idA.Encoded(), nil, "a/layer.tar", "b/layer.tar")), file("blobs/sha256/"+idA.Encoded(), configAB), a, b},
		"configuration, not JSON":                 {index(item("c", nil, "a/layer.tar", "b/layer.tar")), file("c", "x"), a, b},
		"configuration, bad diff IDs":             {index(item("c", nil, "a/layer.tar", "b/layer.tar")), file("c", configOf("sha256:../../x", idB)), a, b},
		"configuration over 8 MiB":                {index(item("c", nil, "a/layer.tar", "b/layer.tar")), file("c", configAB+strings.Repeat(" ", 8<<20)), a, b},
		"configuration, a directory":              {index(item("a", nil, "a/layer.tar", "b/layer.tar")), dir("a"), a, b},
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
	if got, err := images(archive(t, index(many...), file("c", big), file("a", layerA), file("b", layerB))); err == nil {
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
	im := s.image("a", []string{"docker.io/library/a:1"}, s.layer(tarball(1, 2000), zipped), s.layer(tarball(2, 1500), plain))
	for name, whole := range map[string][]byte{
		"written": written(t, dockerarchive.Docker, dockerarchive.Options{}, im), "manifest last": archive(t, with(standard[1:], standard[0])...),
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

func TestWhatStandsBehindTheEnd(t *testing.T) {
	good := archive(t, standard...)
	for name, c := range map[string]struct {
		tail []byte
		ok   bool
	}{
		"nothing":               {nil, true},
		"empty blocks":          {make([]byte, 20*512), true},
		"part of a block":       {make([]byte, 100), true},
		"another tar":           {good, false},
		"a byte":                {[]byte("x"), false},
		"a byte, far behind":    {append(make([]byte, 1<<20), 'x'), false},
		"another configuration": {archive(t, file(configName, configOf(idB, idA))), false},
	} {
		if _, err := images(append(bytes.Clone(good), c.tail...)); (err == nil) != c.ok || err != nil && !errors.Is(err, dockerarchive.ErrIntegrity) {
			t.Errorf("%s: %v, want ok: %v", name, err, c.ok)
		}
	}
}

// rawTar is a tar whose headers are made by hand: change gets that of the layer.
func rawTar(t *testing.T, format tar.Format, change func(header []byte)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range []entry{index(item("c", nil, "a")), file("c", configOf(idA))} {
		w.WriteHeader(&tar.Header{Name: e.Name, Size: int64(len(e.Body)), Format: format})
		io.WriteString(w, e.Body)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	at := b.Len()
	w.WriteHeader(&tar.Header{Name: "a", Size: int64(len(layerA)), Format: format})
	io.WriteString(w, layerA)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	header := b.Bytes()[at : at+512]
	change(header)
	sum := 8 * int64(' ')
	for i, c := range header {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	copy(header[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return b.Bytes()
}

// readA reads an archive of one layer, which must be layerA.
func readA(raw []byte) error {
	got, err := images(raw)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(got[0].Layers[0].Open())
	if err == nil && string(content) != layerA {
		err = fmt.Errorf("layer of %d bytes", len(content))
	}
	return err
}

func TestOddHeaders(t *testing.T) {
	size := func(field string) func([]byte) {
		return func(h []byte) { copy(h[124:136], field+strings.Repeat("\x00", 12-len(field))) }
	}
	for name, c := range map[string]struct {
		format tar.Format
		change func([]byte)
		ok     bool
	}{
		"ustar":                    {tar.FormatUSTAR, func([]byte) {}, true},
		"gnu":                      {tar.FormatGNU, func([]byte) {}, true},
		"before ustar":             {tar.FormatUSTAR, func(h []byte) { clear(h[257:512]) }, true},
		"the old type of files":    {tar.FormatUSTAR, func(h []byte) { h[156] = 0 }, true},
		"base 256":                 {tar.FormatGNU, size("\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00" + string([]byte{byte(len(layerA) >> 8), byte(len(layerA))})), true},
		"gnu sparse":               {tar.FormatGNU, func(h []byte) { h[156] = tar.TypeGNUSparse }, false},
		"a reserved type":          {tar.FormatUSTAR, func(h []byte) { h[156] = tar.TypeCont }, false},
		"negative size":            {tar.FormatGNU, size("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"), false},
		"negative size in octal":   {tar.FormatUSTAR, size("-0000000001"), false},
		"size of 2^63":             {tar.FormatGNU, size("\x80\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00"), false},
		"size of 2^63-1":           {tar.FormatGNU, size("\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"), false},
		"size of 2^63-512":         {tar.FormatGNU, size("\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xfe\x00"), false},
		"larger than the archive":  {tar.FormatUSTAR, size("00000100000"), false},
		"a size that is no number": {tar.FormatUSTAR, size("x"), false},
		"a directory with a size":  {tar.FormatUSTAR, func(h []byte) { h[156] = tar.TypeDir }, false},
	} {
		if err := readA(rawTar(t, c.format, c.change)); (err == nil) != c.ok {
			t.Errorf("%s: %v; want ok: %v", name, err, c.ok)
		}
	}
	broken := rawTar(t, tar.FormatUSTAR, func([]byte) {})
	broken[600] ^= 1
	broken[1024+148] ^= 1 // a wrong sum in the second header
	if _, err := images(broken); !errors.Is(err, dockerarchive.ErrIntegrity) {
		t.Errorf("wrong sum: %v", err)
	}
}

// pax is the archive of one layer with extended headers of the layer's.
func pax(t testing.TB, records map[string]string, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range []entry{index(item("c", nil, "a")), file("c", configOf(idA))} {
		w.WriteHeader(&tar.Header{Name: e.Name, Size: int64(len(e.Body))})
		io.WriteString(w, e.Body)
	}
	var recs string
	for k, v := range records {
		rec := fmt.Sprintf(" %s=%s\n", k, v)
		n := len(rec) + 1
		for len(fmt.Sprint(n))+len(rec) != n {
			n++
		}
		recs += fmt.Sprint(n) + rec
	}
	for _, e := range []struct {
		kind byte
		body string
	}{{tar.TypeXHeader, recs}, {tar.TypeReg, body}} {
		raw := make([]byte, 512)
		copy(raw, "a")
		copy(raw[100:], "0000644\x000000000\x000000000\x00")
		copy(raw[124:], fmt.Sprintf("%011o\x0000000000000\x00", len(e.body)))
		raw[156] = e.kind
		copy(raw[257:], "ustar\x0000")
		sum := 8 * 32
		for _, c := range raw {
			sum += int(c)
		}
		copy(raw[148:], fmt.Sprintf("%06o\x00 ", sum))
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		b.Write(raw)
		b.WriteString(e.body)
		b.Write(make([]byte, (512-len(e.body)%512)%512))
	}
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

func TestExtendedHeaders(t *testing.T) {
	sparse10 := "1\n0\n" + fmt.Sprint(len(layerA)) + "\n"
	sparse10 += strings.Repeat("\x00", 512-len(sparse10)) + layerA
	real := fmt.Sprint(len(layerA))
	for name, c := range map[string]struct {
		records map[string]string
		body    string
		ok      bool
	}{
		"nothing":               {nil, layerA, true},
		"a comment":             {map[string]string{"comment": "x"}, layerA, true},
		"its size":              {map[string]string{"size": real}, layerA, true},
		"its name":              {map[string]string{"path": "./a"}, layerA, true},
		"another name":          {map[string]string{"path": "b"}, layerA, false},
		"a size beyond the end": {map[string]string{"size": "1000000"}, layerA, false},
		"a negative size":       {map[string]string{"size": "-1"}, layerA, false},
		"a size of 2^63":        {map[string]string{"size": "9223372036854775808"}, layerA, false},
		"sparse 0.1":            {map[string]string{"GNU.sparse.map": "0," + real, "GNU.sparse.numblocks": "1", "GNU.sparse.size": real}, layerA, true},
		"sparse 1.0":            {map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": real, "GNU.sparse.name": "a"}, sparse10, true},
		"sparse 1.0, cut off":   {map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": real, "GNU.sparse.name": "a"}, sparse10[:600], false},
		"sparse 1.0, no map":    {map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": real, "GNU.sparse.name": "a"}, layerA, false},
		"sparse 2.0":            {map[string]string{"GNU.sparse.major": "2", "GNU.sparse.minor": "0"}, layerA, true},
		"sparse, overlapping":   {map[string]string{"GNU.sparse.map": "0," + real + ",0," + real, "GNU.sparse.numblocks": "2", "GNU.sparse.size": real}, layerA + layerA, false},
		"sparse, huge":          {map[string]string{"GNU.sparse.map": "0,1", "GNU.sparse.numblocks": "1", "GNU.sparse.size": "1000000000000"}, "x", false},
		"records of 2 MiB":      {map[string]string{"comment": strings.Repeat("x", 2<<20)}, layerA, false},
	} {
		if err := readA(pax(t, c.records, c.body)); (err == nil) != c.ok {
			t.Errorf("%s: %v; want ok: %v", name, err, c.ok)
		}
	}
}

func hasSparse(raw []byte) bool {
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := r.Next()
		if err != nil {
			return false
		}
		if h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.map"] != "" || h.PAXRecords["GNU.sparse.major"] != "" {
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
	f.Add(archive(f, slices.Concat(oldLayer("b", "", "base"), oldLayer("a", "b", "app"), []entry{repositories(`{"n":{"1":"a"}}`)})...))
	f.Add(archive(f, within("d/", with(small[:2:2], hard("l", "m"), file("m", "layer")))...))
	f.Add(archive(f, within("d/", with(small[:2:2], link("l", "../d/m"), file("m", "layer"), file("._m", "x")))...))
	f.Add(archive(f, slices.Concat(oldLayer("b", "a", "base"), oldLayer("a", "b", "app"))...))
	f.Add(gz(f, nil, archive(f, small...)))
	f.Add(pax(f, map[string]string{"GNU.sparse.map": "0,4,3000,2", "GNU.sparse.numblocks": "2", "GNU.sparse.size": "5000"}, "layer!"))
	f.Add(pax(f, map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "900", "GNU.sparse.name": "a"}, "1\n4\n5\n"+strings.Repeat("\x00", 506)+"layer"))
	f.Add(archive(f))
	s := newStore(f)
	f.Add(written(f, dockerarchive.Docker, dockerarchive.Options{}, s.image("a", nil, s.layer([]byte("layer"), zipped))))
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
