package restore

import (
	"slices"
	"strings"
	"testing"
)

func TestEncodersHaveTheHeadersOfTheirPrograms(t *testing.T) {
	all := Encoders()
	for name, want := range map[string]string{
		"Go -6":    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", // docker
		"Go -1":    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff", // kaniko
		"pgzip ":   "\x1f\x8b\x08\x00\x00\x09\x6e\x88\x00\xff", // buildah
		"pigz -9":  "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03", // pigz --best --no-time
		"zlib -6":  "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00", // a JDK before 16
		"gzip -1":  "\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\x03", // gzip -1n
		"zlib -9 ": "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff", // Python
	} {
		i := slices.IndexFunc(all, func(e Encoder) bool { return strings.HasPrefix(e.Name+" ", name) })
		if i < 0 {
			t.Errorf("there is no %s", name)
			continue
		}
		if !slices.ContainsFunc(all[i].Headers, func(h []byte) bool { return string(h) == want }) {
			t.Errorf("%s has no header %q: %q", name, want, all[i].Headers)
		}
	}
	for i, name := range common {
		if all[i].Name != name || all[i].Rare {
			t.Errorf("%d: %s is tried, and not %s", i, all[i].Name, name)
		}
	}
	if all[0].Name != "Go -6" {
		t.Errorf("%s is tried first", all[0].Name)
	}
}

// Keys name files of the cache.
func TestKeysOfMakersDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Encoders() {
		for i := range e.Headers {
			key := Maker{&e, i}.key()
			if seen[key] || strings.ContainsAny(key, " /\\:") {
				t.Errorf("%q", key)
			}
			seen[key] = true
		}
	}
}
