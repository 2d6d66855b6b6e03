package golang_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"drayage/internal/deflate/coding"
	"drayage/internal/deflate/golang"
)

// encoder compares a version of Go with golden.txt, or makes the table of the models of that version:
//
//	GOTOOLCHAIN=go1.21.13 go build -o /tmp/encode testdata/encode.go
//	go test . -run Golden -encoder /tmp/encode
var (
	encoder = flag.String("encoder", "", "compare this program with golden.txt, for the models of -prefix")
	prefix  = flag.String("prefix", "Go ", "how the names of these models begin")
	update  = flag.Bool("update", false, "write golden.txt from -encoder")
)

const goldenFile = "testdata/golden.txt"

// sizes are those of the contents of each kind.
var sizes = map[string][]int{
	"mixed": {0, 1, 20, 100, 127, 128, 1500, 400_000}, "words": {40, 300, 150_000}, "few words": {100_000},
	"records": {65535, 180_000}, "echoes": {400_000}, "noise": {33, 1000, 150_000}, "zeros": {100_000},
}

// rare are the sizes of contents that have what seldom comes together. Only models of Go 1.27 depend on that.
var rare = map[string][]int{"poor": {1_029_000}, "late": {150_000}}

// sizesFor are the sizes of a kind for which the table has the digest of a model.
func sizesFor(m coding.Model, kind string) []int {
	if strings.HasPrefix(m.Name(), "Go 1.27 ") {
		return append(rare[kind], sizes[kind]...)
	}
	return sizes[kind]
}

// The digests are those of streams that Go wrote. golden.txt says which versions.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var kept, made bytes.Buffer
	for _, line := range strings.SplitAfter(string(text), "\n") {
		if strings.HasPrefix(line, "#") || !strings.HasPrefix(line, *prefix) {
			kept.WriteString(line)
		}
	}
	want := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		want[line] = true
	}
	rows := 0
	for _, m := range golang.Models() {
		if *encoder != "" && !strings.HasPrefix(m.Name(), *prefix) {
			continue
		}
		for _, kind := range kinds {
			for _, size := range sizesFor(m, kind.name) {
				s := source(size)
				row := fmt.Sprintf("%s\t%s\t%d\t%s\n", m.Name(), kind.name, size, digest(t, m, kind.make(&s, size)))
				made.WriteString(row)
				if rows++; !want[row] && !*update {
					t.Errorf("%q is not in the table", row)
				}
			}
		}
	}
	if *update {
		if err := os.WriteFile(goldenFile, append(kept.Bytes(), made.Bytes()...), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(string(text), "\tmixed\t1500\t"); *encoder == "" && n != len(golang.Models()) {
		t.Errorf("the table has %d models, not %d", n, len(golang.Models()))
	}
}

// digest is that of the stream that the model writes, or encoder at the level of the model.
func digest(t *testing.T, m coding.Model, content []byte) string {
	t.Helper()
	if *encoder == "" {
		return fmt.Sprintf("%x", sha256.Sum256(compress(t, m, content)))
	}
	level := "-2"
	if i := strings.LastIndex(m.Name(), "-"); i > 0 {
		level = m.Name()[i+1:]
	}
	cmd := exec.Command(*encoder, level)
	cmd.Stdin = bytes.NewReader(content)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}
