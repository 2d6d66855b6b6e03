//go:build linux

package interop

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// sshCases are lines of a file with allowed signers, in which $KEY is the public key, and what becomes of the
// signature. Where drayage is stricter than ssh-keygen, the case says so.
var sshCases = []struct {
	name, key, line string // key is the file of the secret key
	namespace       string // empty: drayage-set
	change          func(signature []byte) []byte
	changeSet       bool
	holds, stricter bool
}{
	{name: "ed25519", key: "ed25519", line: "ann $KEY", holds: true},
	{name: "ecdsa of 256 bits", key: "ecdsa256", line: "ann $KEY", holds: true},
	{name: "ecdsa of 384 bits", key: "ecdsa384", line: "ann $KEY", holds: true},
	{name: "ecdsa of 521 bits", key: "ecdsa521", line: "ann $KEY", holds: true},
	{name: "RSA of 3072 bits", key: "rsa3072", line: "ann $KEY", holds: true},
	{name: "RSA of 1024 bits", key: "rsa1024", line: "ann $KEY", holds: true, stricter: true},
	{name: "a certificate", key: "certified", line: "ann cert-authority $CA", holds: true, stricter: true},
	{name: "an authority for a key", key: "ed25519", line: "ann cert-authority $KEY"},
	{name: "several who", key: "ed25519", line: "bob,ann,*@corp $KEY", holds: true},
	{name: "a comment behind", key: "ed25519", line: "# ours\n\nann $KEY of Ann at work", holds: true},
	{name: "its namespace", key: "ed25519", line: `ann namespaces="drayage-set" $KEY`, holds: true},
	{name: "patterns of namespaces", key: "ed25519", line: `ann namespaces="git,dray*" $KEY`, holds: true},
	{name: "other namespaces", key: "ed25519", line: `ann namespaces="git" $KEY`},
	{name: "all namespaces but it", key: "ed25519", line: `ann namespaces="!drayage-set,*" $KEY`},
	{name: "made for another namespace", key: "ed25519", line: "ann $KEY", namespace: "file"},
	{name: "not yet", key: "ed25519", line: `ann valid-after="20900101" $KEY`},
	{name: "no more", key: "ed25519", line: `ann valid-before="20200101" $KEY`},
	{name: "now", key: "ed25519", line: `ann valid-after="20200101",valid-before="209001011200" $KEY`, holds: true},
	{name: "two lines", key: "ed25519", line: "ann valid-before=\"20200101\" $KEY\nann $KEY", holds: true},
	{name: "a wrong line before", key: "ed25519", line: "ann nonsense\nann $KEY", holds: true},
	{name: "an unknown option", key: "ed25519", line: "ann surprise $KEY"},
	{name: "options in capitals", key: "ed25519", line: `ann NAMESPACES="drayage-set" $KEY`, holds: true},
	{name: "another key", key: "ed25519", line: "ann $CA"},
	{name: "a changed set file", key: "ed25519", line: "ann $KEY", changeSet: true},
	{name: "a changed signature", key: "ed25519", line: "ann $KEY", change: flippedSSH(-1)},
	{name: "a changed key", key: "ed25519", line: "ann $KEY", change: flippedSSH(40)},
	{name: "a changed version", key: "ed25519", line: "ann $KEY", change: flippedSSH(9)},
	{name: "no first line", key: "ed25519", line: "ann $KEY", change: replaced("-----BEGIN", "-----begin")},
	{name: "no last line", key: "ed25519", line: "ann $KEY", change: replaced("-----END", "-----end")},
	{name: "empty", key: "ed25519", line: "ann $KEY", change: func([]byte) []byte { return []byte{} }},
}

// flippedSSH changes a byte of what the base64 stands for. -1 is the last one.
func flippedSSH(at int) func([]byte) []byte {
	return func(text []byte) []byte {
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		raw, err := base64.StdEncoding.DecodeString(strings.Join(lines[1:len(lines)-1], ""))
		if err != nil {
			panic(err)
		}
		if at < 0 {
			at += len(raw)
		}
		raw[at] ^= 4
		return armored(raw)
	}
}

func armored(raw []byte) []byte {
	return []byte("-----BEGIN SSH SIGNATURE-----\n" + base64.StdEncoding.EncodeToString(raw) +
		"\n-----END SSH SIGNATURE-----\n")
}

// agree compares what drayage says of x.tar.set.sig with what ssh-keygen says.
func (a signedArchive) agree(t *testing.T, signers string, holds, stricter bool) {
	t.Helper()
	writeFile(t, a.file("allowed"), []byte(signers+"\n"), 0o644)
	set, err := os.Open(a.file("x.tar.set"))
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	theirs := invocation{argv: []string{"ssh-keygen", "-Y", "verify", "-f", a.file("allowed"), "-I", "ann",
		"-n", "drayage-set", "-s", a.file("x.tar.set.sig")}, stdin: set}.run(t)
	ours := drayage(t, "inspect", a.file("x.tar"), "--key", a.file("allowed"))
	if (theirs.code == 0) != holds || (ours.code == 0) != (holds && !stricter) {
		t.Errorf("ssh-keygen: %d (%s%s), drayage: %d (%s); want %t, stricter: %t", theirs.code, theirs.stdout,
			theirs.stderr, ours.code, ours.stderr, holds, stricter)
	}
}

func TestSSHAgrees(t *testing.T) {
	require(t, "ssh-keygen")
	a := newSignedArchive(t)
	for name, kind := range map[string][]string{
		"ed25519": {"ed25519"}, "ecdsa256": {"ecdsa", "-b", "256"}, "ecdsa384": {"ecdsa", "-b", "384"},
		"ecdsa521": {"ecdsa", "-b", "521"}, "rsa3072": {"rsa", "-b", "3072"}, "rsa1024": {"rsa", "-b", "1024"},
		"ca": {"ed25519"}, "certified": {"ed25519"},
	} {
		run(t, append([]string{"ssh-keygen", "-q", "-N", "", "-f", a.file(name), "-t"}, kind...)...)
	}
	run(t, "ssh-keygen", "-q", "-s", a.file("ca"), "-I", "id", "-n", "ann", a.file("certified.pub"))
	for _, c := range sshCases {
		t.Run(c.name, func(t *testing.T) {
			writeFile(t, a.file("x.tar.set"), a.set, 0o644)
			os.Remove(a.file("x.tar.set.sig"))
			namespace, key := "drayage-set", a.file(c.key)
			if c.namespace != "" {
				namespace = c.namespace
			}
			if c.key == "certified" {
				key += "-cert.pub"
			}
			run(t, "ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", key, a.file("x.tar.set"))
			if c.change != nil {
				writeFile(t, a.file("x.tar.set.sig"), c.change(a.read(t, "x.tar.set.sig")), 0o644)
			}
			if c.changeSet {
				writeFile(t, a.file("x.tar.set"), flippedByte(10)(bytes.Clone(a.set)), 0o644)
			}
			public := func(name string) string { return strings.TrimSpace(string(a.read(t, name+".pub"))) }
			line := strings.ReplaceAll(strings.ReplaceAll(c.line, "$KEY", public(c.key)), "$CA", public("ca"))
			a.agree(t, line, c.holds, c.stricter)
		})
	}
}

// TestSecurityKeysAgree signs as a security key does, which cannot be had here.
func TestSecurityKeysAgree(t *testing.T) {
	require(t, "ssh-keygen")
	a := newSignedArchive(t)
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const algorithm, application = "sk-ssh-ed25519@openssh.com", "ssh:"
	key := ssh.Marshal(struct{ Algorithm, Key, App string }{algorithm, string(public), application})
	signers := "ann " + algorithm + " " + base64.StdEncoding.EncodeToString(key)
	for _, flags := range []byte{1, 5, 0} {
		sum := sha512.Sum512(a.set)
		message := append([]byte("SSHSIG"), ssh.Marshal(struct{ Namespace, Reserved, Hash, Sum string }{
			"drayage-set", "", "sha512", string(sum[:])})...)
		app, digest := sha256.Sum256([]byte(application)), sha256.Sum256(message)
		counter := []byte{flags, 0, 0, 0, 7}
		blob := ed25519.Sign(secret, bytes.Join([][]byte{app[:], counter, digest[:]}, nil))
		sig := ssh.Marshal(ssh.Signature{Format: algorithm, Blob: blob, Rest: counter})
		writeFile(t, a.file("x.tar.set.sig"), armored(append([]byte("SSHSIG"), ssh.Marshal(struct {
			Version                                   uint32
			Key, Namespace, Reserved, Hash, Signature string
		}{1, string(key), "drayage-set", "", "sha512", string(sig)})...)), 0o644)
		a.agree(t, signers, true, flags == 0) // drayage wants a touch
	}
}
