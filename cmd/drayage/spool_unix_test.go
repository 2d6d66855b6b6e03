//go:build unix

package main

import (
	"archive/tar"
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A process that is killed leaves nothing of what it has spooled.
func TestSpoolIsGoneWithTheProcess(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Args = []string{"drayage", "verify", "-", "--temp-dir", dir}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(stdin)
	if err := w.WriteHeader(&tar.Header{Name: "layer", Size: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if want := "copied to a temporary file in " + dir; !strings.Contains(line, want) || err != nil {
		t.Errorf("it says %q, %v, and not %q", line, err, want)
	}
	if _, err := w.Write(make([]byte, 4<<20)); err != nil { // all but what the pipe holds has been copied then
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	cmd.Wait()
	if all, err := os.ReadDir(dir); err != nil || len(all) > 0 {
		t.Errorf("%v is left, %v", all, err)
	}
}
