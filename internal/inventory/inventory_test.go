package inventory_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/inventory"
	"drayage/internal/limits"
)

func hash(s string) digest.Digest { return digest.FromString(s) }

// sample is what a place has; backwards says in which order it is entered.
func sample(t *testing.T, backwards bool) *inventory.Inventory {
	t.Helper()
	var b inventory.Builder
	steps := []func() error{
		func() error { return b.AddBlob(inventory.Blob{Digest: hash("layer"), Size: 7, DiffID: hash("tar")}) },
		func() error { return b.AddBlob(inventory.Blob{Digest: hash("layer"), Size: 7}) },
		func() error { return b.AddBlob(inventory.Blob{Digest: hash("config"), Size: 0}) },
		func() error { return b.AddBlob(inventory.Blob{Digest: digest.SHA512.FromString("x"), Size: 9}) },
		func() error { return b.AddChain(hash("chain")) },
		func() error { return b.AddChain(hash("other chain")) },
		func() error { return b.AddChain(hash("chain")) },
		func() error {
			return b.AddImage(inventory.Image{Name: "docker.io/library/a:1", Digest: hash("a")})
		},
		func() error { return b.AddImage(inventory.Image{Name: "corp.test/b:1", Digest: hash("b")}) },
	}
	for i := range steps {
		if backwards {
			i = len(steps) - 1 - i
		}
		if err := steps[i](); err != nil {
			t.Fatal(err)
		}
	}
	v, err := b.Inventory()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func written(t testing.TB, v *inventory.Inventory) string {
	t.Helper()
	var b bytes.Buffer
	if err := v.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHas(t *testing.T) {
	v := sample(t, false)
	for _, c := range []struct {
		d    digest.Digest
		size int64
		want bool
	}{
		{hash("layer"), 7, true}, {hash("layer"), 8, false}, {hash("config"), 0, true}, {hash("none"), 7, false},
		{digest.SHA512.FromString("x"), 9, true}, {digest.SHA512.FromString("y"), 9, false},
		{"", 7, false}, {"sha256:", 7, false}, {"sha256:zz", 7, false}, {hash("tar"), 7, false},
		{digest.Digest(strings.ToUpper(string(hash("layer")))), 7, false},
	} {
		got, err := v.Has(t.Context(), v1.Descriptor{Digest: c.d, Size: c.size})
		if got != c.want || err != nil {
			t.Errorf("%s with %d bytes: %v, %v", c.d, c.size, got, err)
		}
	}
	for d, want := range map[digest.Digest]bool{
		hash("chain"): true, hash("other chain"): true, hash("layer"): false, "": false, "x": false,
	} {
		if v.HasChain(d) != want {
			t.Errorf("chain %q: %v", d, !want)
		}
	}
}

// The same state gives the same bytes, which are these.
func TestWrite(t *testing.T) {
	const want = `{"mediaType":"application/vnd.drayage.inventory.v1+json",
"blobs":[
{"digest":"%[3]s","size":0},
{"digest":"%[1]s","size":7,"diffID":"%[2]s"},
{"digest":"%[4]s","size":9}
],
"chains":[
"%[6]s",
"%[5]s"
],
"images":[
{"name":"corp.test/b:1","digest":"%[7]s"},
{"name":"docker.io/library/a:1","digest":"%[8]s"}
]}
`
	layer, config := hash("layer"), hash("config")
	text := fmt.Sprintf(want, layer, hash("tar"), config, digest.SHA512.FromString("x"), hash("chain"),
		hash("other chain"), hash("b"), hash("a"))
	for _, backwards := range []bool{false, true} {
		if got := written(t, sample(t, backwards)); got != text {
			t.Errorf("%s\nwant\n%s", got, text)
		}
	}
	v, err := inventory.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, v); got != text {
		t.Errorf("read and written again:\n%s", got)
	}
	const nothing = `{"mediaType":"application/vnd.drayage.inventory.v1+json",
"blobs":[],
"chains":[]}
`
	if got := written(t, new(inventory.Inventory)); got != nothing {
		t.Errorf("%s", got)
	}
}

func document(blobs string) string {
	return `{"mediaType":"application/vnd.drayage.inventory.v1+json","blobs":[` + blobs + `]}`
}

func entry(name string, size any) string {
	return fmt.Sprintf(`{"digest":%q,"size":%v}`, hash(name), size)
}

func TestParseAccepts(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":               document(""),
		"keys of later":         document(`{"more":[{"a":[1,"]"]}],` + entry("a", 1)[1:]),
		"any order":             document(entry("c", 1) + "," + entry("a", 2) + "," + entry("b", 3)),
		"twice":                 document(entry("a", 1) + ",\n" + entry("a", 1)),
		"a mark before it":      "\xef\xbb\xbf" + document(entry("a", 1)),
		"lines of Windows":      strings.ReplaceAll(document(entry("a", 1)), ",", ",\r\n"),
		"the mediaType at last": `{"blobs":[],"mediaType":"application/vnd.drayage.inventory.v1+json"}`,
	} {
		if _, err := inventory.Parse(strings.NewReader(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	a, id := entry("a", 1), string(hash("a"))
	more := func(text string) string { return strings.TrimSuffix(document(a), "}") + "," + text + "}" }
	long := strings.Repeat("1", limits.InventoryRun+2)
	const tooLong = "a string, a number or white space is too long"
	for text, want := range map[string]string{
		"":                       "line 1: the end is missing",
		"[]":                     `line 1: "[" stands where "{" should be`,
		"{}":                     "it is no inventory",
		`{"mediaType":"x"}`:      `it is no inventory: its mediaType is "x"`,
		`{"mediaType":{}}`:       `"{" stands where a string should be`,
		document(a + ",\n"):      "line 2: there is a comma before the end of the list",
		document(a + "\n" + a):   "line 2: invalid character '{' after array element",
		document(a)[:100]:        "the end is missing",
		document(a) + "\n{}":     "line 2: there is more behind its end",
		document(`{"size":1}`):   `invalid digest ""`,
		document(`{"digest":1}`): `"1" stands where a string should be`,

		document(entry("a", -1)):                         "impossible size -1",
		document(entry("a", 1e30)):                       "is no size",
		document(entry("a", 1.5)):                        `"1.5" is no size`,
		document(entry("a", `"1"`)):                      `"1" stands where a number should be`,
		document(`{"digest":"` + id + `"}`):              `"" is no size`,
		document(`"` + id + `"`):                         `stands where "{" should be`,
		document(a + "," + entry("a", 2)):                "stands twice, with the sizes",
		document(a[:len(a)-1] + `,"size":1}`):            `"size" stands twice in one object`,
		document(a[:len(a)-1] + `,"diffID":"sha256:1"}`): `invalid digest "sha256:1"`,

		more(`"blobs":[]`):   `"blobs" stands twice in one object`,
		more(`"chains":[1]`): `"1" stands where a string should be`,
		more(`"images":[{"name":"","digest":"` + id + `"}]`): "a name of 0 bytes",

		document(`{"x":` + strings.Repeat("[", 100)):   "lists and objects in each other",
		document(strings.Repeat(" ", len(long))):       tooLong,
		document(`{"x":"` + long):                      tooLong,
		document(long):                                 tooLong,
		"\xff\xfe{\x00}\x00":                           "it is UTF-16",
		"{\x00}\x00":                                   "it is UTF-16",
		strings.Replace(document(""), "v1+", "v2+", 1): "this drayage reads",
	} {
		_, err := inventory.Parse(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: %v, want %s", text, err, want)
		}
	}
}

// A broken reader is no fault of the file.
func TestParseBrokenReader(t *testing.T) {
	broken := errors.New("broken")
	for _, n := range []int{0, 1, 100} {
		text := document(entry("a", 1))[:n]
		_, err := inventory.Parse(io.MultiReader(strings.NewReader(text), failing{broken}))
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestIsInventory(t *testing.T) {
	const own = `{"mediaType":"application/vnd.drayage.inventory.v1+json",`
	for text, want := range map[string]bool{
		own: true, "\xef\xbb\xbf \r\n" + own: true, "": false, "{": false, `{"schemaVersion":2}`: false,
		strings.Replace(own, "v1", "v7", 1): true, "manifest.json\x00" + own: false,
	} {
		if inventory.IsInventory([]byte(text)) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// endless is an inventory of as many blobs as a file may hold.
type endless struct {
	n, bytes int
	left     []byte
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.left) == 0 {
		switch line := fmt.Sprintf(`{"digest":"sha256:%064x","size":%d}`, e.n, e.n); {
		case e.n == 0:
			e.left = []byte(`{"mediaType":"application/vnd.drayage.inventory.v1+json","blobs":[` + line)
		case e.bytes > limits.Inventory-2*len(line):
			return 0, io.EOF
		default:
			e.left = []byte(",\n" + line)
		}
		e.n++
	}
	n := copy(p, e.left)
	e.left, e.bytes = e.left[n:], e.bytes+n
	return n, nil
}

// The largest inventory takes less memory than its file has bytes.
func TestLargestInventory(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	all := &endless{}
	v, err := inventory.Parse(io.MultiReader(all, strings.NewReader("]}")))
	if err != nil {
		t.Fatal(err)
	}
	if blobs, _, _, _ := v.Counts(); blobs != all.n {
		t.Errorf("%d blobs of %d", blobs, all.n)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > limits.Inventory*9/10 {
		t.Errorf("%d MiB are in use", m.HeapAlloc>>20)
	}
	if err := v.Write(io.Discard); err != nil {
		t.Errorf("what has been read cannot be written: %v", err)
	}
	var b inventory.Builder
	for i := range 16 << 10 {
		name := fmt.Sprintf("%01000d", i)
		for n := range 4 {
			if err := b.AddImage(inventory.Image{Name: name, Digest: hash(fmt.Sprint(n))}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if v, err = b.Inventory(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := v.Write(&out); !errors.As(err, new(*inventory.TooLargeError)) || out.Len() > 0 {
		t.Errorf("%v, %d bytes", err, out.Len())
	}
	endlessText := io.MultiReader(strings.NewReader(`{"more":[1`), forever(",\n\""+strings.Repeat("x", 1020)+"\""))
	if _, err := inventory.Parse(endlessText); err == nil || !strings.Contains(err.Error(), "more than 64 MiB") {
		t.Errorf("%v", err)
	}
}

type forever string

func (f forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = f[i%len(f)]
	}
	return len(p) / len(f) * len(f), nil
}

// FuzzParse reads any file: what it has read is the same when it is written and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(document(entry("a", 1) + "," + entry("b", 2))))
	f.Add([]byte(document(`{"digest":"` + string(digest.SHA512.FromString("a")) + `","size":1,"diffID":"` +
		string(hash("b")) + `"}`)))
	f.Add([]byte(`{"mediaType":"application/vnd.drayage.inventory.v1+json","chains":["` + string(hash("a")) +
		`"],"images":[{"name":"corp.test/a:1","digest":"` + string(hash("b")) + `"}],"blobs":[]}`))
	f.Add([]byte(`{"mediaType":"application/vnd.drayage.inventory.v1+json","a":{"b":[null,true,1e9,"\u0000"]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := inventory.Parse(bytes.NewReader(raw))
		if err != nil {
			return
		}
		first := written(t, v)
		again, err := inventory.Parse(strings.NewReader(first))
		if err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		if second := written(t, again); second != first {
			t.Fatalf("%s\nthen\n%s", first, second)
		}
		for b := range v.Blobs() {
			if has, _ := again.Has(t.Context(), v1.Descriptor{Digest: b.Digest, Size: b.Size}); !has {
				t.Fatalf("%s is lost", b.Digest)
			}
		}
	})
}
