//go:build linux

package interop

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drayage/test/sample"
)

// signedArchive is an archive with its set file in a directory of its own, signed with drayage's key.
type signedArchive struct {
	dir string
	set []byte
}

func (a signedArchive) file(name string) string { return filepath.Join(a.dir, name) }

func (a signedArchive) read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(a.file(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func newSignedArchive(t *testing.T) signedArchive {
	t.Helper()
	a := signedArchive{dir: scratch(t)}
	image, _ := newSample(t, sample.Options{})
	from := seed(t, image, startRegistry3(t), "team/hello", "1")
	drayage(t, "keygen", "-o", a.file("ours.key"), "--no-password").ok(t)
	drayage(t, "save", from, "-o", a.file("x.tar"), "--sign", a.file("ours.key"), "--format", "oci",
		"--platform", "all").ok(t)
	a.set = a.read(t, "x.tar.set")
	return a
}

// flipped changes a byte in a line of a file, in what the base64 there stands for.
func flipped(line, at int) func([]byte) []byte {
	return func(text []byte) []byte {
		lines := bytes.Split(text, []byte("\n"))
		raw, err := base64.StdEncoding.DecodeString(string(lines[line]))
		if err != nil {
			panic(err)
		}
		raw[at] ^= 4
		lines[line] = []byte(base64.StdEncoding.EncodeToString(raw))
		return bytes.Join(lines, []byte("\n"))
	}
}

func replaced(old, with string) func([]byte) []byte {
	return func(text []byte) []byte { return bytes.Replace(text, []byte(old), []byte(with), 1) }
}

// signatureCases are changes of a signature, of the set file and of the public key.
var signatureCases = []struct {
	name           string
	sign           []string // how minisign signs; nil: drayage has signed
	signature, set func([]byte) []byte
	public         func([]byte) []byte
	holds          bool
}{
	{name: "of drayage", holds: true},
	{name: "of minisign", sign: []string{"-S"}, holds: true},
	{name: "of the file itself", sign: []string{"-S", "-l"}, holds: true},
	{name: "a comment of its own", sign: []string{"-S", "-t", "carried by Ann"}, holds: true},
	{name: "another first line", sign: []string{"-S", "-c", "what is not signed"}, holds: true},
	{name: "lines that end in two bytes", signature: func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
	}, holds: true},
	{name: "no line end", signature: bytes.TrimSpace, holds: true},
	{name: "words that are not signed", signature: replaced("signature from", "forged by"), holds: true},
	{name: "the time", signature: replaced("timestamp:1", "timestamp:2")},
	{name: "a longer comment", signature: replaced("hashed\n", "hashed, really\n")},
	{name: "no comment", signature: replaced("trusted comment: timestamp", "timestamp")},
	{name: "no first line", signature: replaced("untrusted comment: ", "")},
	{name: "the kind", signature: flipped(1, 0)},
	{name: "the key ID", signature: flipped(1, 3)},
	{name: "the signature", signature: flipped(1, 40)},
	{name: "the end of the signature", signature: flipped(1, 73)},
	{name: "the second signature", signature: flipped(3, 0)},
	{name: "cut", signature: func(b []byte) []byte { return b[:200] }},
	{name: "empty", signature: func([]byte) []byte { return nil }},
	{name: "no base64", signature: replaced("\nRU", "\nR*")},
	{name: "a byte of the set file", set: flippedByte(10)},
	{name: "the last byte of the set file", set: func(b []byte) []byte { return flippedByte(len(b) - 1)(b) }},
	{name: "a longer set file", set: func(b []byte) []byte { return append(b, '\n') }},
	{name: "a shorter set file", set: func(b []byte) []byte { return b[:len(b)-1] }},
	{name: "another key of the same ID", public: flipped(1, 20)},
	{name: "a key of another ID", public: flipped(1, 3)},
	{name: "legacy, changed", sign: []string{"-S", "-l"}, set: flippedByte(20)},
	{name: "legacy taken for hashed", sign: []string{"-S", "-l"}, signature: flippedKind},
}

func flippedByte(i int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[i] ^= 1
		return b
	}
}

// flippedKind makes Ed of ED, or the other way round.
func flippedKind(b []byte) []byte {
	if bytes.Contains(b, []byte("\nRW")) {
		return replaced("\nRW", "\nRU")(b)
	}
	return replaced("\nRU", "\nRW")(b)
}

// TestMinisignAgrees compares what drayage says of a signature with what minisign says.
func TestMinisignAgrees(t *testing.T) {
	require(t, "minisign")
	a := newSignedArchive(t)
	signature, public := a.read(t, "x.tar.set.minisig"), a.read(t, "ours.pub")
	for _, c := range signatureCases {
		t.Run(c.name, func(t *testing.T) {
			sig, set, pub := bytes.Clone(signature), bytes.Clone(a.set), bytes.Clone(public)
			writeFile(t, a.file("x.tar.set"), set, 0o644)
			if c.sign != nil {
				argv := append([]string{"minisign"}, c.sign...)
				run(t, append(argv, "-s", a.file("ours.key"), "-m", a.file("x.tar.set"), "-x", a.file("theirs"))...)
				sig = a.read(t, "theirs")
			}
			for _, change := range []struct {
				data *[]byte
				how  func([]byte) []byte
			}{{&sig, c.signature}, {&set, c.set}, {&pub, c.public}} {
				if change.how != nil {
					*change.data = change.how(*change.data)
				}
			}
			writeFile(t, a.file("x.tar.set"), set, 0o644)
			writeFile(t, a.file("x.tar.set.minisig"), sig, 0o644)
			writeFile(t, a.file("key.pub"), pub, 0o644)
			theirs := invocation{argv: []string{"minisign", "-V", "-p", a.file("key.pub"), "-m", a.file("x.tar.set")}}
			ours := drayage(t, "inspect", a.file("x.tar"), "--key", a.file("key.pub"))
			if got := theirs.run(t).code == 0; got != c.holds || (ours.code == 0) != c.holds {
				t.Errorf("minisign: %t, drayage: %d (%s); want %t", got, ours.code, ours.stderr, c.holds)
			}
			if !c.holds && ours.code != 6 {
				t.Errorf("exit code %d", ours.code)
			}
		})
	}
}

// TestMinisignKeys has each program sign with keys of the other, with a password and without.
func TestMinisignKeys(t *testing.T) {
	require(t, "minisign")
	a := newSignedArchive(t)
	check := func(pub string) {
		t.Helper()
		run(t, "minisign", "-V", "-p", pub, "-m", a.file("x.tar.set"))
		drayage(t, "verify", a.file("x.tar"), "--key", pub).ok(t)
	}
	save := func(key string) {
		t.Helper()
		drayage(t, "save", a.file("x.tar"), "-o", a.file("x.tar"), "--format", "oci", "--platform", "all",
			"--sign", key, "--sign-password-file", a.file("pw")).ok(t)
	}
	writeFile(t, a.file("pw"), []byte("pw\n"), 0o600)
	run(t, "minisign", "-G", "-W", "-p", a.file("plain.pub"), "-s", a.file("plain.key"))
	save(a.file("plain.key"))
	check(a.file("plain.pub"))
	const made = "../../internal/sign/testdata/" // by minisign, which asks for passwords on terminals only
	save(made + "stock.key")
	check(made + "stock.pub")
	drayage(t, "keygen", "-o", a.file("locked.key"), "--password-file", a.file("pw")).ok(t)
	sign := invocation{argv: []string{"minisign", "-S", "-s", a.file("locked.key"), "-m", a.file("x.tar.set")},
		stdin: strings.NewReader("pw\n")}
	sign.run(t).ok(t)
	check(a.file("locked.pub"))
}
