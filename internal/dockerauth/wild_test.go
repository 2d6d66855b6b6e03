package dockerauth

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestWild23Encodings(t *testing.T) {
	const text = `{"auths":{"r.corp":{"username":"me","password":"secret"}}}`
	wide := "\xff\xfe"
	for _, c := range []byte(text) {
		wide += string([]byte{c, 0})
	}
	for name, raw := range map[string]string{"byte order mark": "\xef\xbb\xbf" + text, "UTF-16": wide} {
		for _, file := range []string{".docker/config.json", "run/containers/auth.json"} {
			t.Run(name+" in "+file, func(t *testing.T) {
				b := newBox(t)
				b.write(file, raw)
				if got, err := b.lookup("r.corp", "a"); err != nil || got.Password != "secret" {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
	}
}

func TestWild23Rewritten(t *testing.T) {
	b := newBox(t)
	b.write(".docker/config.json", "\xef\xbb\xbf{\"psFormat\":\"x\"}")
	if _, err := New(b.opts).Save(t.Context(), "r.corp", Credential{Username: "me", Password: "x"}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(b.home, ".docker", "config.json"))
	if err != nil || !bytes.HasPrefix(raw, []byte(`{"psFormat":"x"`)) {
		t.Errorf("%q, %v", raw, err)
	}
}
