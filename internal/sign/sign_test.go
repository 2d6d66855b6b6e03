package sign_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drayage/internal/sign"
	"drayage/internal/verify"
)

// vector reads a file of testdata.
func vector(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// place is a directory with a set file and its signature.
func place(t *testing.T, suffix string, signature []byte) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "x.tar.set")
	if signature == nil {
		return file
	}
	if err := os.WriteFile(file+suffix, signature, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func keys(t testing.TB, texts ...string) *sign.Keys {
	t.Helper()
	k, err := sign.ParseKeys(texts)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// plainKey is the secret key of testdata that has no password.
func plainKey(t testing.TB) *sign.SecretKey {
	t.Helper()
	e, err := sign.ParseSecretKey(string(vector(t, "plain.key")))
	if err != nil {
		t.Fatal(err)
	}
	k, err := e.Open("")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestCheckMinisign(t *testing.T) {
	set := vector(t, "x.tar.set")
	public := strings.TrimSpace(strings.Split(string(vector(t, "plain.pub")), "\n")[1])
	for _, name := range []string{"hashed.minisig", "legacy.minisig"} {
		file := place(t, sign.MinisignSuffix, vector(t, name))
		for _, key := range []string{"testdata/plain.pub", public} {
			s, err := keys(t, "testdata/stock.pub", key).Check(file, set)
			if err != nil {
				t.Fatalf("%s with %s: %v", name, key, err)
			}
			want := time.Date(2026, 11, 29, 5, 19, 41, 0, time.UTC)
			if s.By != "1BBC066807D5802D" || !s.Time.Equal(want) || s.File != file {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
	at := time.Unix(1700000000, 0)
	file := place(t, sign.MinisignSuffix, plainKey(t).Sign(set, "x.tar.set", at).Encode())
	s, err := keys(t, "testdata/plain.pub").Check(file, set)
	if err != nil || s.Comment != "timestamp:1700000000\tfile:x.tar.set\thashed" || !s.Time.Equal(at) {
		t.Errorf("%+v, %v", s, err)
	}
}

// Every byte of the signature and of the file counts. Only the words behind "untrusted comment:" are not
// signed, and nobody gets to see them.
func TestEveryByteCounts(t *testing.T) {
	set, k := vector(t, "x.tar.set"), keys(t, "testdata/plain.pub")
	for _, name := range []string{"hashed.minisig", "legacy.minisig"} {
		good := vector(t, name)
		file := place(t, sign.MinisignSuffix, good)
		for i := range set {
			bad := bytes.Clone(set)
			bad[i] ^= 1
			if _, err := k.Check(file, bad); !errors.Is(err, verify.ErrMismatch) {
				t.Errorf("%s, byte %d of the file is changed: %v", name, i, err)
			}
		}
		free := bytes.IndexByte(good, '\n')
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << (i % 7)
			if err := os.WriteFile(file+sign.MinisignSuffix, bad, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := k.Check(file, set)
			isFree := i >= len("untrusted comment: ") && i < free
			if !isFree && !errors.Is(err, verify.ErrMismatch) || isFree && bad[i] > ' ' && err != nil {
				t.Errorf("%s, byte %d is %q: %v", name, i, bad[i], err)
			}
		}
	}
}

// Each thing that can be wrong has its own sentence.
func TestCheckSays(t *testing.T) {
	set, good := vector(t, "x.tar.set"), string(vector(t, "hashed.minisig"))
	lines := strings.Split(good, "\n")
	other, err := sign.Generate()
	if err != nil {
		t.Fatal(err)
	}
	impostor := &sign.SecretKey{ID: plainKey(t).ID, Key: other.Key}
	now := time.Now()
	forged := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	signedBy := func(k *sign.SecretKey) string { return string(k.Sign(set, "x", now).Encode()) }
	const damaged = "the signature is damaged"
	for name, c := range map[string]struct {
		signature string
		set       []byte
		want      string
	}{
		"no signature": {"", set, "x.tar.set is not signed: there is no x.tar.set.minisig beside it"},
		"another key": {signedBy(other), set, "signed by another key: its key ID is " + other.ID.String() +
			", that of --key is 1BBC066807D5802D"},
		"a false key ID":  {signedBy(impostor), set, damaged},
		"changed comment": {forged("timestamp:1", "timestamp:2"), set, "the trusted comment was changed after"},
		"changed file": {good, []byte("another"), "x.tar.set was changed after signing, or x.tar.set.minisig " +
			"is the signature of another file"},
		"cut":              {strings.Join(lines[:3], "\n"), set, damaged + ": it has 3 lines"},
		"more lines":       {good + "more\n", set, damaged + ": it has 5 lines"},
		"something else":   {"hello\n\n\n\n\nx", set, damaged + ": it has 6 lines"},
		"another kind":     {forged("RUQ", "RUU"), set, `of a kind that is not known: "EE"`},
		"no base64":        {forged("RUQ", "RU*"), set, "its second line is no signature"},
		"a return in it":   {forged("file:x", "file:\rx"), set, "holds a line end"},
		"a long comment":   {forged("file:x", "file:"+strings.Repeat("x", 9000)), set, "too long"},
		"far too long":     {strings.Repeat("x", 70000), set, "larger than 64 KiB"},
		"no trusted words": {forged("trusted comment: time", "rusted comment: time"), set, "third line"},
	} {
		t.Run(name, func(t *testing.T) {
			var signature []byte
			if c.signature != "" {
				signature = []byte(c.signature)
			}
			_, err := keys(t, "testdata/plain.pub").Check(place(t, sign.MinisignSuffix, signature), c.set)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want: %s", err, c.want)
			}
			if !errors.Is(err, verify.ErrMismatch) {
				t.Errorf("%v is of the wrong kind", err)
			}
		})
	}
}

// Files that came by mail or from Windows are taken: their lines end in two bytes, or the last in none.
func TestLineEnds(t *testing.T) {
	set, good := vector(t, "x.tar.set"), string(vector(t, "hashed.minisig"))
	for _, text := range []string{strings.ReplaceAll(good, "\n", "\r\n"), strings.TrimSpace(good)} {
		file := place(t, sign.MinisignSuffix, []byte(text))
		if _, err := keys(t, "testdata/plain.pub").Check(file, set); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParameters(t *testing.T) {
	ops, memory := sign.Own()
	for _, c := range []struct {
		ops, memory uint64
		want        [3]int
	}{
		{1 << 25, 1 << 30, [3]int{1 << 20, 8, 1}}, // minisign's own
		{ops, memory, [3]int{1 << 16, 8, 16}},     // as much work
		{1 << 19, 1 << 24, [3]int{1 << 14, 8, 1}}, // libsodium's interactive
		{1 << 22, 1 << 30, [3]int{1 << 17, 8, 1}}, // more memory than the work needs
		{0, 0, [3]int{2, 8, 512}},
	} {
		if got := sign.Parameters(c.ops, c.memory); got != c.want {
			t.Errorf("%d, %d: %v, want %v", c.ops, c.memory, got, c.want)
		}
	}
	n := sign.Parameters(ops, memory)
	if bytes := 128 * n[0] * n[1]; bytes != 64<<20 {
		t.Errorf("a key of drayage takes %d bytes of memory", bytes)
	}
}

func TestSecretKey(t *testing.T) {
	sign.Cheap(t)
	k, err := sign.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"", "a b ü"} {
		text, err := k.Encode(password)
		if err != nil {
			t.Fatal(err)
		}
		e, err := sign.ParseSecretKey(string(text))
		if err != nil || e.NeedsPassword() != (password != "") {
			t.Fatal(e, err)
		}
		again, err := e.Open(password)
		if err != nil || !again.Key.Equal(k.Key) || again.ID != k.ID {
			t.Errorf("%q: %v", password, err)
		}
		if _, err := e.Open("wrong"); password != "" && !errors.Is(err, sign.ErrPassword) {
			t.Errorf("a wrong password: %v", err)
		}
	}
	public, err := sign.ParsePublicKey(string(k.Public().Encode()))
	if err != nil || !public.Key.Equal(k.Public().Key) || public.ID != k.ID {
		t.Errorf("%v, %v", public, err)
	}
}

// A key of minisign with a password may be opened. What asks for more than that may not.
func TestHostileSecretKey(t *testing.T) {
	stock := vector(t, "stock.key")
	if e, err := sign.ParseSecretKey(string(stock)); err != nil || !e.NeedsPassword() {
		t.Fatal(e, err)
	}
	lines := strings.Split(string(stock), "\n")
	raw, err := base64.StdEncoding.DecodeString(lines[1])
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int, value uint64) string {
		bad := bytes.Clone(raw)
		binary.LittleEndian.PutUint64(bad[at:], value)
		return lines[0] + "\n" + base64.StdEncoding.EncodeToString(bad) + "\n"
	}
	for name, text := range map[string]string{
		"memory":           changed(46, 1<<31),
		"all memory":       changed(46, 1<<63),
		"operations":       changed(38, 1<<26),
		"nothing":          "",
		"a public key":     string(vector(t, "plain.pub")),
		"one line":         lines[1],
		"cut":              lines[0] + "\n" + lines[1][:100],
		"no such checksum": strings.Replace(string(stock), "RWRTY0Iy", "RWRTY0Iz", 1),
		"no such cipher":   strings.Replace(string(stock), "RWRTY0Iy", "RWRTZEIy", 1),
	} {
		if e, err := sign.ParseSecretKey(text); err == nil {
			t.Errorf("%s: %v", name, e)
		}
	}
	plain := strings.Split(string(vector(t, "plain.key")), "\n")
	raw, err = base64.StdEncoding.DecodeString(plain[1])
	if err != nil {
		t.Fatal(err)
	}
	for at := 62; at < 158; at++ {
		bad := bytes.Clone(raw)
		bad[at] ^= 1
		e, err := sign.ParseSecretKey(plain[0] + "\n" + base64.StdEncoding.EncodeToString(bad))
		if err == nil {
			_, err = e.Open("")
		}
		if err == nil {
			t.Errorf("a secret key whose byte %d is changed signs", at)
		}
	}
}

func TestParseKeys(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pub := string(vector(t, "plain.pub"))
	public := strings.Split(pub, "\n")[1]
	for _, good := range []string{
		file("a", pub), file("b", public+"\n"), public, file("c", strings.ReplaceAll(pub, "\n", "\r\n")),
		file("d", "ann@corp "+string(vector(t, "ed25519.pub"))), file("e", "\xef\xbb\xbf"+pub),
		file("f", "# ours\n\nnonsense\nann "+string(vector(t, "rsa2048.pub"))),
	} {
		keys(t, good)
	}
	for text, want := range map[string]string{
		file("secret", string(vector(t, "plain.key"))):                  "is a secret key: give the public key",
		file("ssh-secret", "-----BEGIN OPENSSH PRIVATE KEY-----\nAA\n"): "is a secret key: give the public key",
		file("empty", ""): "no key",
		file("bare", string(vector(t, "ed25519.pub"))):      "write before it who has it",
		file("cut", pub[:80]):                               "no public key of minisign",
		file("words", "this is no key\nand this neither\n"): "line 1: no public key of ssh",
		filepath.Join(dir, "nowhere"):                       "no such file",
		public[:50]:                                         "no such file",
		dir:                                                 "directory",
	} {
		if _, err := sign.ParseKeys([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want: %s", text, err, want)
		}
	}
}

// A file that is called like a key is not read in its place: whoever fills a stick could bring one.
func TestKeyIsNoFileName(t *testing.T) {
	key := plainKey(t)
	t.Chdir(t.TempDir())
	public := key.Public()
	other := public
	other.Key = bytes.Repeat([]byte{7}, len(public.Key))
	if err := os.MkdirAll(filepath.Dir(public.String()), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(public.String(), other.Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
	content := []byte("a set file")
	file := place(t, sign.MinisignSuffix, key.Sign(content, "x.tar.set", time.Unix(1, 0)).Encode())
	if s, err := keys(t, public.String()).Check(file, content); err != nil || s.KeyFile != "the command line" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := keys(t, "./"+public.String()).Check(file, content); err == nil {
		t.Error("the file was not read")
	}
}

func FuzzPublicKey(f *testing.F) {
	f.Add(string(vector(f, "plain.pub")))
	f.Fuzz(func(t *testing.T, text string) {
		k, err := sign.ParsePublicKey(text)
		if err != nil {
			return
		}
		if again, err := sign.ParsePublicKey(string(k.Encode())); err != nil || again.String() != k.String() {
			t.Errorf("%v, %v", again, err)
		}
	})
}

func FuzzSecretKey(f *testing.F) {
	f.Add(string(vector(f, "plain.key")))
	f.Add(string(vector(f, "stock.key")))
	f.Fuzz(func(t *testing.T, text string) {
		e, err := sign.ParseSecretKey(text)
		if err != nil || e.NeedsPassword() { // which takes a second each
			return
		}
		k, err := e.Open("")
		if err != nil {
			return
		}
		if s := k.Sign([]byte("x"), "x", time.Unix(0, 0)); len(s.Encode()) == 0 {
			t.Error("nothing is signed")
		}
	})
}

func FuzzSignature(f *testing.F) {
	f.Add(string(vector(f, "hashed.minisig")))
	f.Add(string(vector(f, "legacy.minisig")))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := sign.ParseSignature(text)
		if err != nil {
			return
		}
		s.Time()
		again, err := sign.ParseSignature(string(s.Encode()))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(s) {
			t.Errorf("%v becomes %v: %v", s, again, err)
		}
	})
}

// A directory, or a pipe, in the place of a signature is an error, and nobody waits for it.
func TestNoRegularFile(t *testing.T) {
	file := place(t, "", nil)
	if err := os.Mkdir(file+sign.MinisignSuffix, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := keys(t, "testdata/plain.pub").Check(file, nil)
	if !errors.Is(err, verify.ErrMismatch) || !strings.Contains(err.Error(), "is no regular file") {
		t.Error(err)
	}
}
