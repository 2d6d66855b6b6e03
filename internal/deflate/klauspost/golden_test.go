package klauspost_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"drayage/internal/deflate"
	"drayage/internal/deflate/klauspost"
)

// TestModelsWriteWhatTheVersionsWrote holds the models to testdata/golden.tsv: version of klauspost/compress,
// level, framing, content of contents, and the sha256 of what that version wrote for it.
func TestModelsWriteWhatTheVersionsWrote(t *testing.T) {
	table, err := os.ReadFile("testdata/golden.tsv")
	if err != nil {
		t.Fatal(err)
	}
	streams := map[string][][]byte{}
	for name, data := range klauspost.Contents() {
		streams[name] = data
	}
	encoders := map[string]deflate.Encoder{}
	for _, e := range deflate.Encoders() {
		encoders[e.Name()] = e
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		version, level, framing, content, digest := fields(t, line)
		name := fmt.Sprintf("%s %s -%d", framing, version, level)
		if level == -2 {
			name = framing + " " + version + " Huffman"
		}
		e, ok := encoders[name]
		if !ok {
			t.Fatalf("no model has the name %q", name)
		}
		seen[name] = true
		t.Run(strings.ReplaceAll(name, " ", "_")+"/"+content, func(t *testing.T) {
			t.Parallel()
			h := sha256.New()
			for _, data := range streams[content] {
				var stream bytes.Buffer
				if err := deflate.Compress(t.Context(), e, &stream, bytes.NewReader(data)); err != nil {
					t.Fatal(err)
				}
				h.Write(stream.Bytes()[10 : stream.Len()-8])
			}
			if got := fmt.Sprintf("%x", h.Sum(nil)); got != digest {
				t.Errorf("the model writes %s; %s wrote %s", got, version, digest)
			}
		})
	}
	for _, m := range klauspost.Models() {
		if !seen[m.Name()] {
			t.Errorf("the table has nothing for %q", m.Name())
		}
	}
}

func fields(t *testing.T, line string) (version string, level int, framing, content, digest string) {
	t.Helper()
	f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	if len(f) != 5 {
		t.Fatalf("the table has a line of %d fields: %q", len(f), line)
	}
	level, err := strconv.Atoi(f[1])
	if err != nil {
		t.Fatal(err)
	}
	framing = map[string]string{"single": "klauspost", "pgzip": "pgzip"}[f[2]]
	return f[0], level, framing, f[3], f[4]
}
