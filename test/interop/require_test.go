//go:build linux

package interop

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// require skips the test, or fails it with DRAYAGE_INTEROP=require, unless every named tool is installed.
func require(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := find(tool); err != nil {
			absent(t, err.Error())
		}
	}
}

// requireRoot does the same for root, without whom no engine starts and nothing is mounted.
func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		absent(t, "this test needs root")
	}
}

func absent(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("DRAYAGE_INTEROP") == "require" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// find is exec.LookPath over the PATH that the commands get.
func find(tool string) (string, error) {
	path, _ := strings.CutPrefix(environment[0], "PATH=")
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, tool)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", tool)
}

// shell is a busybox that runs in an image with nothing else in it.
func shell(t *testing.T) string {
	t.Helper()
	require(t, "busybox")
	path, err := find("busybox")
	if err != nil {
		t.Fatal(err)
	}
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			absent(t, path+" is linked dynamically; busybox-static is not installed")
		}
	}
	return path
}
