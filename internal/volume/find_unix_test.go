//go:build unix

package volume_test

import (
	"strings"
	"syscall"
	"testing"
)

// What nobody writes to is not waited for, whatever its name is.
func TestPipes(t *testing.T) {
	c := carry(t, content(5*mib+100))
	c.remove("x.tar.002")
	for _, name := range []string{"x.tar.002", "x.tar.002.copy", "other"} {
		if err := syscall.Mkfifo(c.path(name), 0o600); err != nil {
			t.Skip(err)
		}
	}
	line := c.find().Found().Line(1)
	if !strings.HasPrefix(line, "bad x.tar.002: it is no regular file") {
		t.Error(line)
	}
}
