package main

import (
	"path/filepath"
	"strings"
	"testing"

	"drayage/internal/fakeregistry"
)

// A registry that lists no repositories: the error says what to do, and there is no file.
func TestInventoryWithoutList(t *testing.T) {
	reg, host := lookingRegistry(t)
	reg.On(fakeregistry.Match{Path: "/_catalog"}, fakeregistry.Status(404))
	out := filepath.Join(t.TempDir(), "far.inv")
	for _, place := range []string{host, host + "/team/"} {
		_, stderr, code := command(t, "inventory", place, "-o", out)
		if code != 3 || !strings.HasSuffix(stderr, "404 Not Found; or name the repositories one by one\n") {
			t.Errorf("%s: exit code %d, %s", place, code, stderr)
		}
	}
	if _, _, code := command(t, "inventory", out, "-o", "-"); code != 3 {
		t.Error("there is a file")
	}
}
