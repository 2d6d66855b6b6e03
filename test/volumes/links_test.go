//go:build linux

package volumes

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// A stick of a stranger may have links in place of what is going to be written. Nothing is written through
// them.
func TestLinksInTheWay(t *testing.T) {
	w := newWorld(t)
	w.must("keygen", "-o", "a.key", "--no-password")
	from := source(t, layer("links", 5*mib))
	secret := []byte("what a link leads to")
	for _, file := range []string{"d.tar.001", "d.tar.002", "d.tar.p01", "d.tar.set", "d.tar.set.minisig",
		"d.tar.partial.001", "d.tar.partial.002", "d.tar.set.partial"} {
		w.write("victim", secret)
		w.remove("out")
		w.write("out/.keep", nil)
		if err := os.Symlink("../victim", w.path("out/"+file)); err != nil {
			t.Fatal(err)
		}
		r := w.drayage("save", from, "-o", "out/d.tar", "--volume-size", "4M", "--parity", "1", "--sign", "a.key")
		if !bytes.Equal(w.read("victim"), secret) {
			t.Errorf("written through %s: %s", file, r)
		}
		fi, err := os.Lstat(w.path("out/" + file))
		if r.code == 0 && !strings.Contains(file, "partial") && (err != nil || !fi.Mode().IsRegular()) {
			t.Errorf("%s is still a link: %s", file, r)
		}
	}
}
