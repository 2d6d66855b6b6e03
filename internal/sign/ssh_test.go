package sign_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"drayage/internal/sign"
	"drayage/internal/verify"
)

// allow writes a file with allowed signers.
func allow(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "allowed")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func line(t testing.TB, name string) string { return strings.TrimSpace(string(vector(t, name))) }

func TestCheckSSH(t *testing.T) {
	set := vector(t, "x.tar.set")
	for name, public := range map[string]string{
		"ed25519.sig": "ed25519.pub", "ecdsa256.sig": "ecdsa256.pub", "ecdsa384.sig": "ecdsa384.pub",
		"ecdsa521.sig": "ecdsa521.pub", "rsa2048.sig": "rsa2048.pub", "rsa256.sig": "rsa2048.pub",
	} {
		k := keys(t, "testdata/plain.pub", allow(t, "# ours", "ann@corp,bob "+line(t, public)))
		file := place(t, sign.SSHSuffix, vector(t, name))
		s, err := k.Check(file, set)
		if err != nil || s.Who != "ann@corp,bob" || !strings.HasPrefix(s.By, "SHA256:") {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if _, err := k.Check(file, []byte("another")); !errors.Is(err, verify.ErrMismatch) {
			t.Errorf("%s of another file: %v", name, err)
		}
	}
}

// Every byte between the first line and the last counts.
func TestEverySSHByteCounts(t *testing.T) {
	set, good := vector(t, "x.tar.set"), vector(t, "ed25519.sig")
	k := keys(t, allow(t, "ann "+line(t, "ed25519.pub")))
	file := place(t, sign.SSHSuffix, good)
	for i := range good {
		bad := []byte(string(good))
		bad[i] ^= 1
		if err := os.WriteFile(file+sign.SSHSuffix, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Check(file, set); !errors.Is(err, verify.ErrMismatch) {
			t.Errorf("byte %d is changed to %q: %v", i, bad[i], err)
		}
	}
}

func TestSSHSays(t *testing.T) {
	set, public := vector(t, "x.tar.set"), line(t, "ed25519.pub")
	for name, c := range map[string]struct {
		signature, signers, want string // want is empty: it holds
	}{
		"plain":              {"ed25519.sig", "ann " + public, ""},
		"none":               {"", "ann " + public, "is not signed: there is no x.tar.set.sig"},
		"another key":        {"ecdsa256.sig", "ann " + public, "this key is not among the allowed signers"},
		"another namespace":  {"file.sig", "ann " + public, `is for "file" and not for a set file`},
		"a small RSA key":    {"rsa1024.sig", "ann " + line(t, "rsa1024.pub"), "the RSA key has 1024 bits: 2048"},
		"a certificate":      {"cert.sig", "ann cert-authority " + line(t, "ca.pub"), "certificates are not taken"},
		"an authority":       {"ed25519.sig", "ann cert-authority " + public, "to sign certificates only"},
		"namespaces":         {"ed25519.sig", `ann namespaces="git,drayage-*" ` + public, ""},
		"other namespaces":   {"ed25519.sig", `ann namespaces="git,file" ` + public, "in the namespace drayage-set"},
		"all but it":         {"ed25519.sig", `ann namespaces="*,!drayage-set" ` + public, "in the namespace"},
		"later":              {"ed25519.sig", `ann valid-after="99990101" ` + public, "only after 9999"},
		"earlier":            {"ed25519.sig", `ann valid-before="20200101" ` + public, "only before 2020"},
		"now":                {"ed25519.sig", `ann valid-after="20200101Z",valid-before="99981231235959" ` + public, ""},
		"a second line":      {"ed25519.sig", `a valid-before="20200101" ` + public + "\nbob " + public, ""},
		"in quotes":          {"ed25519.sig", `"ann x" NAMESPACES="drayage-set" ` + public, ""},
		"all excluded":       {"ed25519.sig", `!ann ` + public, "it allows nobody"},
		"one excluded":       {"ed25519.sig", `!ann,* ` + public, ""},
		"an unknown option":  {"ed25519.sig", `ann no-such ` + public, `option "no-such" is not known`},
		"an option twice":    {"ed25519.sig", `ann namespaces="*",namespaces="*" ` + public, "stands twice"},
		"a time that is not": {"ed25519.sig", `ann valid-after="2020" ` + public, "is no time"},
	} {
		t.Run(name, func(t *testing.T) {
			var signature []byte
			if c.signature != "" {
				signature = vector(t, c.signature)
			}
			k, err := sign.ParseKeys([]string{allow(t, c.signers)})
			if err == nil {
				_, err = k.Check(place(t, sign.SSHSuffix, signature), set)
				if err != nil && !errors.Is(err, verify.ErrMismatch) {
					t.Errorf("%v is of the wrong kind", err)
				}
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want: %s", err, c.want)
			}
		})
	}
}

// hardware stands for a security key, which cannot be had here: it signs as one does.
type hardware struct {
	algorithm string
	public    []byte                      // what follows the name of the algorithm in the public key
	sign      func(message []byte) []byte // returns the blob
}

const application = "ssh:"

func (h hardware) key() []byte {
	return append(ssh.Marshal(struct{ Algorithm string }{h.algorithm}), h.public...)
}

// signature signs a set file with flags.
func (h hardware) signature(content []byte, flags byte) []byte {
	sum := sha512.Sum512(content)
	message := append([]byte("SSHSIG"), ssh.Marshal(struct{ Namespace, Reserved, Hash, Sum string }{
		sign.Namespace, "", "sha512", string(sum[:])})...)
	app, digest := sha256.Sum256([]byte(application)), sha256.Sum256(message)
	counter := binary.BigEndian.AppendUint32([]byte{flags}, 7)
	signed := append(append(app[:], counter...), digest[:]...)
	sig := ssh.Marshal(ssh.Signature{Format: h.algorithm, Blob: h.sign(signed), Rest: counter})
	raw := append([]byte("SSHSIG"), ssh.Marshal(struct {
		Version                                   uint32
		Key, Namespace, Reserved, Hash, Signature string
	}{1, string(h.key()), sign.Namespace, "", "sha512", string(sig)})...)
	return []byte("-----BEGIN SSH SIGNATURE-----\n" + base64.StdEncoding.EncodeToString(raw) +
		"\n-----END SSH SIGNATURE-----\n")
}

func hardwareKeys(t *testing.T) []hardware {
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return []hardware{{
		algorithm: ssh.KeyAlgoSKED25519,
		public:    ssh.Marshal(struct{ Key, App string }{string(public), application}),
		sign:      func(m []byte) []byte { return ed25519.Sign(secret, m) },
	}, {
		algorithm: ssh.KeyAlgoSKECDSA256,
		public:    ssh.Marshal(struct{ Curve, Key, App string }{"nistp256", string(point), application}),
		sign: func(m []byte) []byte {
			digest := sha256.Sum256(m)
			r, s, err := ecdsa.Sign(rand.Reader, ec, digest[:])
			if err != nil {
				t.Fatal(err)
			}
			return ssh.Marshal(struct{ R, S *big.Int }{r, s})
		},
	}}
}

func TestHardwareKeys(t *testing.T) {
	set := vector(t, "x.tar.set")
	for _, h := range hardwareKeys(t) {
		k := keys(t, allow(t, "ann "+h.algorithm+" "+base64.StdEncoding.EncodeToString(h.key())))
		for flags, want := range map[byte]string{1: "", 5: "", 0: "did not ask for a touch"} {
			_, err := k.Check(place(t, sign.SSHSuffix, h.signature(set, flags)), set)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s, flags %d: %v, want: %s", h.algorithm, flags, err, want)
			}
		}
		_, err := k.Check(place(t, sign.SSHSuffix, h.signature([]byte("another"), 1)), set)
		if !errors.Is(err, verify.ErrMismatch) {
			t.Errorf("%s of another file: %v", h.algorithm, err)
		}
	}
}

func TestMatchList(t *testing.T) {
	for list, want := range map[string]bool{
		"drayage-set": true, "drayage-?et": true, "*": true, "d*s*t": true, "git,dray*": true, "drayage-set*": true,
		"": false, "drayage": false, "git": false, "?": false, "*x": false, "*,!drayage-*": false, "!git": false,
		"!git,*": true, "drayage-set?": false, strings.Repeat("*a", 5000): false,
	} {
		if got := sign.MatchList(list, "drayage-set"); got != want {
			t.Errorf("%.40s: %t", list, got)
		}
	}
}

func FuzzSSHSignature(f *testing.F) {
	for _, name := range []string{"ed25519.sig", "ecdsa521.sig", "rsa2048.sig", "cert.sig", "file.sig"} {
		text := strings.Split(line(f, name), "\n")
		raw, err := base64.StdEncoding.DecodeString(strings.Join(text[1:len(text)-1], ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	set := vector(f, "x.tar.set")
	path := filepath.Join(f.TempDir(), "allowed")
	all := "ann " + line(f, "ed25519.pub") + "\nbob " + line(f, "ecdsa521.pub") + "\n"
	if err := os.WriteFile(path, []byte(all), 0o644); err != nil {
		f.Fatal(err)
	}
	k := keys(f, path)
	good := string(vector(f, "ed25519.sig"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = sign.ParseSSH(string(raw)) // which may be anything
		text := "-----BEGIN SSH SIGNATURE-----\n" + base64.StdEncoding.EncodeToString(raw) +
			"\n-----END SSH SIGNATURE-----\n"
		parsed, err := sign.ParseSSH(text)
		if err != nil {
			return
		}
		_, err = k.CheckSSH([]byte(text), set)
		if want, _ := sign.ParseSSH(good); err == nil && string(parsed.PublicKey) == string(want.PublicKey) &&
			string(parsed.Signature) != string(want.Signature) {
			t.Errorf("a signature that nobody has made holds: %q", text)
		}
	})
}

func FuzzSigners(f *testing.F) {
	f.Add("ann " + line(f, "ed25519.pub"))
	f.Add(`"a b" namespaces="x,!y",valid-after="20200101Z" ` + line(f, "ecdsa256.pub"))
	f.Add("# c\n\n* cert-authority,valid-before=\"202001010000\" " + line(f, "ca.pub"))
	f.Fuzz(func(t *testing.T, text string) {
		if signers, err := sign.ParseSigners(text); err == nil && len(signers) == 0 {
			t.Error("neither signers nor an error")
		}
	})
}
