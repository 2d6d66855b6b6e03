//go:build linux

package volumes

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drayage/internal/sign"
)

const signatureFile = setFile + ".minisig"

// keys are two pairs, of which the first signs the bundles.
var keys = sync.OnceValues(func() (all [2]*sign.SecretKey, err error) {
	for i := range all {
		if all[i], err = sign.Generate(); err != nil {
			return all, err
		}
	}
	return all, nil
})

// signedBy is a signature of the set file.
func (b *bundle) signedBy(t testing.TB, i int, content []byte) []byte {
	t.Helper()
	all, err := keys()
	if err != nil {
		t.Fatal(err)
	}
	return all[i].Sign(content, setFile, time.Unix(1_700_000_000, 0)).Encode()
}

func (b *bundle) sign(t testing.TB) {
	t.Helper()
	b.files[signatureFile] = b.signedBy(t, 0, b.files[setFile])
}

// flags are those that every command gets.
func (b *bundle) flags(t testing.TB) []string {
	t.Helper()
	if !b.signed {
		return nil
	}
	all, err := keys()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.write("own.pub", all[0].Public().Encode())
	return []string{"--key", w.path("own.pub")}
}

// signatureBytes change one character of each part of the signature, or put another one in its place.
func signatureBytes(b *bundle) (all []harm) {
	if !b.signed {
		return nil
	}
	put := func(what string, codes []int, f func(w *world, b *bundle) []byte) {
		all = append(all, harm{name: "signature: " + what, class: classSignature, codes: codes, cure: beyond,
			do: func(w *world, b *bundle) { w.write(inside(signatureFile), f(w, b)) }})
	}
	damaged := []int{exitIntegrity}
	lines := strings.Split(string(b.files[signatureFile]), "\n")
	for n, line := range lines {
		if n == 0 || line == "" {
			continue // the first line is a comment that nobody signs
		}
		for _, at := range []int{0, 3, len(line) / 3, len(line) - 4, len(line) - 1} {
			put(fmt.Sprintf("character %d of line %d", at, n+1), damaged, func(_ *world, b *bundle) []byte {
				raw := slices.Clone(b.files[signatureFile])
				i := bytes.Index(raw, []byte(line)) + at
				raw[i] = map[bool]byte{true: 'B', false: 'A'}[raw[i] == 'A']
				return raw
			})
		}
	}
	put("empty", damaged, func(*world, *bundle) []byte { return nil })
	put(
		"of another key",
		damaged,
		func(w *world, b *bundle) []byte { return b.signedBy(w, 1, b.files[setFile]) },
	)
	put("of an older archive", damaged, func(w *world, b *bundle) []byte {
		return newBundle(w, b.kind, "old").files[signatureFile]
	})
	put("a megabyte", damaged, func(*world, *bundle) []byte { return make([]byte, mib) })
	return append(all, harm{name: "signature: missing", class: classSignature, codes: damaged, cure: beyond,
		do: func(w *world, _ *bundle) { w.remove(inside(signatureFile)) }})
}
