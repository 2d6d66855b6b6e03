package volume_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"drayage/internal/limits"
	"drayage/internal/volume"
	"drayage/internal/volumetest"
)

const mib = 1 << 20

// cut makes the set of an archive that is called x.tar.
func cut(archive []byte, block, size int64, parity int) *volume.Set {
	return volumetest.Of(archive, "x.tar", block, size, parity)
}

// content is some bytes, no block of which is like another.
func content(n int) []byte {
	all := make([]byte, n)
	for i := 0; i < n; i += 512 {
		all[i], all[n-1] = byte(i>>9), 1
		copy(all[i:], fmt.Sprint(i))
	}
	return all
}

func example() *volume.Set { return cut(content(5*mib+100), mib, 2*mib, 2) }

func TestGeometry(t *testing.T) {
	s := example()
	for i, want := range []struct {
		name, title string
		blocks      int
		last        int64
	}{
		{"x.tar.001", "volume 1 of 3 (x.tar.001)", 2, mib},
		{"x.tar.002", "volume 2 of 3 (x.tar.002)", 2, mib},
		{"x.tar.003", "volume 3 of 3 (x.tar.003)", 2, 100},
		{"x.tar.p01", "parity volume 1 of 2 (x.tar.p01)", 2, mib},
		{"x.tar.p02", "parity volume 2 of 2 (x.tar.p02)", 2, mib},
	} {
		if s.FileName(i) != want.name || s.Title(i) != want.title || s.BlocksOf(i) != want.blocks {
			t.Errorf("%d: %s, %s, %d blocks", i, s.FileName(i), s.Title(i), s.BlocksOf(i))
		}
		if offset, size, _ := s.BlockAt(i, 1); offset != mib || size != want.last {
			t.Errorf("block 1 of %s: %d bytes at %d", s.FileName(i), size, offset)
		}
	}
	if s.ParityName(1) != "x.tar.p02" || volume.SetName("x.tar") != "x.tar.set" {
		t.Errorf("%s, %s", s.ParityName(1), volume.SetName("x.tar"))
	}
	for _, at := range []int64{0, 1, mib, 2*mib - 1, 2 * mib, 5*mib + 99} {
		if i, offset := s.Locate(at); s.Start(i)+offset != at || offset < 0 || offset >= s.At(i).Size {
			t.Errorf("byte %d is at %d of volume %d", at, offset, i)
		}
	}
	one := cut(content(3*mib), mib, 0, 0)
	if i, offset := one.Locate(3*mib - 1); i != 0 || offset != 3*mib-1 || one.FileName(0) != "x.tar" ||
		one.Title(0) != "x.tar" || one.BlocksOf(0) != 3 {
		t.Errorf("in one piece: %s, %s, %d blocks, last byte at %d of %d", one.FileName(0), one.Title(0),
			one.BlocksOf(0), offset, i)
	}
}

func TestHashesOfBlocks(t *testing.T) {
	archive := content(5*mib + 100)
	s := cut(archive, mib, 2*mib, 2)
	for i := range s.Len() {
		for b := range s.BlocksOf(i) {
			offset, size, sum := s.BlockAt(i, b)
			volume := archive[s.Start(i)%s.Size:]
			if s.IsParity(i) {
				volume = volumetest.Parity(archive[:s.At(i).Size], i-len(s.Volumes))
			}
			if sum != sha256.Sum256(volume[offset:offset+size]) {
				t.Errorf("block %d of %s has the hash of another", b, s.FileName(i))
			}
		}
	}
}

func TestBlockFor(t *testing.T) {
	for size, want := range map[int64]int64{1: 4 * mib, 64 << 30: 4 * mib, 64<<30 + 1: 8 * mib,
		16 << 40: 1 << 30, 16<<40 + 1: 0, 1<<63 - 1: 0} {
		if got, err := volume.BlockFor(size); got != want || (err == nil) != (want > 0) {
			t.Errorf("%d: %d, %v", size, got, err)
		}
	}
}

func TestEncode(t *testing.T) {
	s := cut(content(100), mib, mib, 1)
	a, p := s.SHA256.String(), s.Parity[0].SHA256.String()
	raw, err := s.Encode()
	want := `{"mediaType":"application/vnd.drayage.set.v1+json",
"name":"x.tar","size":100,"sha256":"` + a + `",
"block":1048576,"volume":1048576,
"volumes":[
{"size":100,"sha256":"` + a + `"}],
"parity":[
{"size":100,"sha256":"` + p + `"}],
"blocks":"` + base64.StdEncoding.EncodeToString(s.Blocks) + `",
"parityBlocks":"` + base64.StdEncoding.EncodeToString(s.ParityBlocks) + `"}
`
	if string(raw) != want || err != nil {
		t.Errorf("got  %s, %v\nwant %s", raw, err, want)
	}
	for name, s := range map[string]*volume.Set{"small": s, "example": example(),
		"one piece": cut(content(3*mib), mib, 0, 0)} {
		raw, err := s.Encode()
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := volume.Parse(raw)
		if diff := cmp.Diff(s, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

// The largest set that is accepted fits into its file.
func TestLargestSet(t *testing.T) {
	a := digest.FromString("a")
	s := &volume.Set{Name: strings.Repeat("x", limits.SetName), Size: limits.SetBlocks << 30, SHA256: a,
		Block: 1 << 30, Volume: 128 << 30}
	for range 128 {
		s.Volumes = append(s.Volumes, volume.Volume{Size: 128 << 30, SHA256: a})
	}
	for range 127 {
		s.Parity = append(s.Parity, s.Volumes[0])
	}
	s.Blocks = make([]byte, 32*128*128)
	s.ParityBlocks = make([]byte, 32*127*128)
	raw, err := s.Encode()
	if err != nil || len(raw) > limits.SetFile {
		t.Fatal(len(raw), err)
	}
	if _, err := volume.Parse(raw); err != nil {
		t.Error(err)
	}
	most := &volume.Set{Name: "x", Size: 64 << 30, SHA256: a, Block: 4 * mib, Volume: 8 << 30}
	for range 8 {
		most.Volumes = append(most.Volumes, volume.Volume{Size: 8 << 30, SHA256: a})
	}
	for range limits.SetParityBlocks / 2048 {
		most.Parity = append(most.Parity, most.Volumes[0])
	}
	most.Blocks = make([]byte, 32*8*2048)
	most.ParityBlocks = make([]byte, 32*limits.SetParityBlocks)
	if raw, err := most.Encode(); err != nil {
		t.Errorf("%d bytes: %v", len(raw), err)
	}
	most.Parity = append(most.Parity, most.Volumes[0])
	if err := most.Check(); err == nil || !strings.Contains(err.Error(), "blocks, more than 131072") {
		t.Errorf("too much parity: %v", err)
	}
}

func TestCheck(t *testing.T) {
	more := func(s *volume.Set) { s.Volumes = append(s.Volumes, s.Volumes[2]) }
	hash := func(s *volume.Set) { s.Blocks = append(s.Blocks, make([]byte, 32)...) }
	other := digest.FromString("other")
	sha512 := digest.SHA512.FromString("x")
	for want, spoil := range map[string]func(*volume.Set){
		"is not a power of two":                   func(s *volume.Set) { s.Block++ },
		"size of 524288":                          func(s *volume.Set) { s.Block = mib / 2 },
		"size of 2147483648":                      func(s *volume.Set) { s.Block = 2 << 30 },
		"size of 0 bytes":                         func(s *volume.Set) { s.Block = 0 },
		"size of -1048576":                        func(s *volume.Set) { s.Block = -mib },
		"size of -9223372036854775808":            func(s *volume.Set) { s.Block = -1 << 63 },
		"archive has 0 bytes":                     func(s *volume.Set) { s.Size = 0 },
		"archive has -1 bytes":                    func(s *volume.Set) { s.Size = -1 },
		"archive has 9223372036854775807":         func(s *volume.Set) { s.Size = 1<<63 - 1 },
		"is not a multiple of its block size":     func(s *volume.Set) { s.Volume++ },
		"volume size of -1048576":                 func(s *volume.Set) { s.Volume = -mib },
		"in volumes of 0 has 1":                   func(s *volume.Set) { s.Volume = 0 },
		"in volumes of 9223372036853727232 has 1": func(s *volume.Set) { s.Volume = 1<<63 - mib },
		"has 6":                                      func(s *volume.Set) { s.Volume = mib },
		"lists 2 volumes":                            func(s *volume.Set) { s.Volumes = s.Volumes[:2] },
		"lists 0 volumes":                            func(s *volume.Set) { s.Volumes = nil },
		"lists 4 volumes":                            more,
		"volume 3 of 3 (x.tar.003) has 1":            func(s *volume.Set) { s.Volumes[2].Size++ },
		"volume 2 of 3 (x.tar.002) has -1":           func(s *volume.Set) { s.Volumes[1].Size = -1 },
		"x.tar.p02) has 2097151":                     func(s *volume.Set) { s.Parity[1].Size-- },
		"1 of 3 (x.tar.001): invalid digest":         func(s *volume.Set) { s.Volumes[0].SHA256 = "" },
		"x.tar.p01): invalid digest":                 func(s *volume.Set) { s.Parity[0].SHA256 = "sha256:x" },
		"is no sha256":                               func(s *volume.Set) { s.SHA256 = sha512 },
		"191 bytes of hashes of blocks":              func(s *volume.Set) { s.Blocks = s.Blocks[1:] },
		"224 bytes of hashes of blocks":              hash,
		"0 bytes of hashes of parity":                func(s *volume.Set) { s.ParityBlocks = nil },
		"128 bytes of hashes of parity":              func(s *volume.Set) { s.Parity = nil },
		"256 volumes and parity volumes":             func(s *volume.Set) { s.Parity = make([]volume.Volume, 253) },
		"x.tar.003) and that of the only block in i": nil,
		"of the archive and that of the only volume": nil,
	} {
		s := example()
		switch {
		case spoil != nil:
			spoil(s)
		case strings.HasPrefix(want, "of"):
			s = cut(content(3*mib), mib, 0, 0)
			s.SHA256 = other
		default:
			s = cut(content(4*mib+1), mib, 2*mib, 0)
			s.Volumes[2].SHA256 = other
		}
		err := s.Check()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
		if _, err := s.Encode(); err == nil {
			t.Errorf("%s: it was written", want)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"x", "x.tar", "my images.tar", "bundle-2026.11.tar.gz", "Bücher & mehr.tar",
		"日本語.tar", "com.tar", "com10.tar", "consul.tar", "x.tar.001", "~",
		"-x.tar", strings.Repeat("x", 240)} {
		if err := volume.CheckName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ".", "..", ".x.tar", "../x.tar", "a/b", `a\b`, "/x", `C:\x.tar`, "C:x.tar",
		"x.tar:stream", "x\x00.tar", "x\n.tar", "x\x7f", "x\u0085", "x\u202egnp.tar", "x\u200b.tar", "x\xff.tar",
		"x\u2028", "con", "CON.tar", "nul.tar.gz", "Aux .tar", "COM1", "com¹.tar", "lpt0.x", "conin$", "prn.",
		"x.tar.", "x.tar ", "x*.tar", "x?.tar", "<x>", `"x"`, "x|y", strings.Repeat("x", 241)} {
		if err := volume.CheckName(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		} else if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == '\u202e' }) {
			t.Errorf("%q: the message has its characters: %v", bad, err)
		}
	}
}

func TestParse(t *testing.T) {
	good, err := example().Encode()
	if err != nil {
		t.Fatal(err)
	}
	with := func(old, new string) string {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatal(old)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	for name, c := range map[string]struct{ raw, err string }{
		"good":                  {string(good), ""},
		"spaces":                {strings.ReplaceAll(string(good), ",", " ,\r\n"), ""},
		"an unknown field":      {with(`"name"`, `"more":{"x":[1]},"name"`), ""},
		"nothing":               {"", "it is not valid"},
		"null":                  {"null", `it is of the type ""`},
		"a list":                {"[]", "it is not valid"},
		"cut off":               {string(good[:len(good)-3]), "it is not valid"},
		"two":                   {string(good) + "{}", "it is not valid"},
		"version 2":             {with(".v1+", ".v2+"), "a newer drayage is needed"},
		"another type":          {with("drayage.set", "other"), "it is of the type"},
		"a key twice":           {with(`"name"`, `"name":"y.tar","name"`), `"name" stands twice`},
		"a key in two cases":    {with(`"name"`, `"Name":"y.tar","name"`), `stands twice`},
		"a volume's key twice":  {with(`{"size"`, `{"Size":1,"size"`), `stands twice`},
		"a fraction":            {with(`"block":1048576`, `"block":1048576.5`), "it is not valid"},
		"an exponent":           {with(`"block":1048576`, `"block":1e6`), "it is not valid"},
		"a number too large":    {with(`"block":1048576`, `"block":9223372036854775808`), "it is not valid"},
		"a path":                {with(`x.tar`, `../x.tar`), "it is a path"},
		"a device":              {with(`x.tar`, `nul`), "device"},
		"no base64":             {with(`"blocks":"`, `"blocks":"!`), "not base64"},
		"base64 with a newline": {with(`"blocks":"`, `"blocks":"\n`), "not base64"},
		"base64 of the web":     {with(`"blocks":"`, `"blocks":"____`), "not base64"},
		"too many bytes":        {string(good) + strings.Repeat(" ", limits.SetFile), "more than the"},
		"too many values": {with(`"volumes":[`, `"volumes":[`+strings.Repeat("{},", limits.SetValues)),
			"values, more than the"},
	} {
		s, err := volume.Parse([]byte(c.raw))
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v; want %q", name, err, c.err)
		}
		if err == nil && cmp.Diff(example(), s) != "" {
			t.Errorf("%s: %+v", name, s)
		}
		if newer := strings.Contains(c.err, "newer"); newer != errors.Is(err, volume.ErrNewer) {
			t.Errorf("%s: %v is ErrNewer: %v", name, err, !newer)
		}
	}
}

// FuzzParse checks that what is accepted is written and read again as the same, and that all places in it can
// be asked for.
func FuzzParse(f *testing.F) {
	for _, s := range []*volume.Set{example(), cut(content(mib), mib, 0, 0), cut(content(100), mib, mib, 3)} {
		raw, err := s.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(bytes.Replace(raw, []byte("size"), []byte("Size"), 1))
		f.Add(bytes.Replace(raw, []byte(`"volume":`), []byte(`"volume":-`), 1))
		f.Add(bytes.Replace(raw, []byte(`"block":`), []byte(`"block":99`), 1))
	}
	f.Add([]byte(`{"mediaType":"application/vnd.drayage.set.v1+json"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := volume.Parse(raw)
		if err != nil {
			if s != nil {
				t.Fatal("a set and an error")
			}
			return
		}
		checkPlaces(t, s)
		again, err := s.Encode()
		if err != nil || !json.Valid(again) {
			t.Fatalf("%q: %v", again, err)
		}
		same, err := volume.Parse(again)
		if err != nil {
			t.Fatalf("what was accepted is not accepted when written: %v\n%s", err, again)
		}
		if !bytes.Equal(s.Blocks, same.Blocks) || s.Name != same.Name || s.Size != same.Size ||
			cmp.Diff(s.Volumes, same.Volumes) != "" || cmp.Diff(s.Parity, same.Parity, sameEmpty) != "" {
			t.Fatalf("read differently the second time:\n%s", cmp.Diff(s, same))
		}
	})
}

// sameEmpty takes no list and an empty one for the same.
var sameEmpty = cmp.Transformer("list", func(v []volume.Volume) string { return fmt.Sprint(v) })

// checkPlaces goes over all volumes and blocks: they have to follow each other without a gap.
func checkPlaces(t *testing.T, s *volume.Set) {
	var sum int64
	for i := range s.Len() {
		var own int64
		for b := range s.BlocksOf(i) {
			offset, size, _ := s.BlockAt(i, b)
			if offset != own || size < 1 || size > s.Block {
				t.Fatalf("block %d of %s: %d bytes at %d", b, s.Title(i), size, offset)
			}
			own += size
		}
		if own != s.At(i).Size || strings.ContainsAny(s.FileName(i), `/\`) {
			t.Fatalf("%s: %d bytes of %d", s.Title(i), own, s.At(i).Size)
		}
		if s.IsParity(i) {
			continue
		}
		if v, offset := s.Locate(sum); v != i || offset != 0 || s.Start(i) != sum {
			t.Fatalf("%s begins at %d and is found at %d of %d", s.Title(i), sum, offset, v)
		}
		sum += own
	}
	if sum != s.Size {
		t.Fatalf("the volumes have %d bytes and the archive %d", sum, s.Size)
	}
}
