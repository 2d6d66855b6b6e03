package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"drayage/internal/fakeregistry"
)

// TestDialogues types the command lines of testdata/dialogue and compares what drayage says. A line with a
// dollar sign is typed; what stands below it is what was written to standard error, or to standard output
// behind a >, and the exit code. After a change of the words:
// go test ./cmd/drayage -run TestDialogues -update
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/dialogue/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for i := range files {
		if files[i], err = filepath.Abs(files[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, f, newRoom(t).talk(t, string(raw)))
		})
	}
}

// room is where the command lines of one dialogue are typed.
type room struct {
	names map[string]string // of registries, and what they are called in the dialogue
}

// newRoom makes a directory with the layout images, the OCI tar app.tar and the docker tar docker.tar of
// solo:1, and registries: $REG with the images of fill, $LOCKED with a password, $PORTAL that answers
// everything with a page, $TLS with a certificate that nobody knows.
func newRoom(t *testing.T) *room {
	t.Chdir(t.TempDir())
	home := t.TempDir()
	for name, dir := range map[string]string{"HOME": "", "XDG_CACHE_HOME": "cache", "DOCKER_CONFIG": "docker",
		"XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "config"} {
		t.Setenv(name, filepath.Join(home, dir))
	}
	r := &room{names: map[string]string{}}
	reg, locked := fakeregistry.New(), fakeregistry.New()
	fill(reg)
	fill(locked)
	locked.RequireBasic("ann", "secret")
	breakImages(reg)
	r.serve(t, "REG", reg)
	r.serve(t, "LOCKED", locked)
	r.serve(t, "PORTAL", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><html><title>Guest network: log in</title><body>...</body></html>")
	}))
	tls := httptest.NewTLSServer(reg)
	t.Cleanup(tls.Close)
	r.names["TLS"] = strings.TrimPrefix(tls.URL, "https://")
	for _, line := range [][]string{
		{"fetch", r.names["REG"] + "/solo:1", "-o", "images"},
		{"save", "images", "-o", "app.tar", "--format", "oci"},
		{"save", "images", "-o", "docker.tar"},
	} {
		var out bytes.Buffer
		if code := run(slices.Concat([]string{"drayage"}, line, []string{"-q", "--platform", "linux/amd64"}),
			os.Stdin, &out, &out); code != 0 {
			t.Fatalf("%q: %d, %s", line, code, out.String())
		}
	}
	return r
}

func (r *room) serve(t *testing.T, name string, h http.Handler) {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	r.names[name] = strings.TrimPrefix(server.URL, "http://")
}

// talk types the command lines of a dialogue and returns it with what is said now.
func (r *room) talk(t *testing.T, dialogue string) string {
	var b strings.Builder
	typed := 0
	for line := range strings.Lines(dialogue) {
		words, isTyped := strings.CutPrefix(strings.TrimSpace(line), "$ drayage")
		switch {
		case isTyped:
			fmt.Fprintf(&b, "\n%s", line)
			b.WriteString(r.answer(t, words))
			typed++
		case strings.HasPrefix(line, "#"):
			fmt.Fprintf(&b, "\n%s", line)
		}
	}
	if typed == 0 {
		t.Fatal("nothing is typed")
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// Of a message, the address of the machine's DNS server, and how long something took.
var (
	resolver = regexp.MustCompile(` on \S+:53:`)
	elapsed  = regexp.MustCompile(`\b[0-9.]+(ms|s)\b`)
)

// answer types one command line.
func (r *room) answer(t *testing.T, line string) string {
	args := []string{"drayage"}
	for _, word := range split(line) {
		args = append(args, os.Expand(word, func(name string) string { return r.names[name] }))
	}
	var stdout, stderr bytes.Buffer
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	code := run(args, stdin, &stdout, &stderr)
	text := stderr.String()
	for out := range strings.Lines(stdout.String()) {
		text += "> " + out
	}
	for name, address := range r.names {
		text = strings.ReplaceAll(text, address, "$"+name)
	}
	text = elapsed.ReplaceAllString(resolver.ReplaceAllString(text, ":"), "TIME")
	return text + fmt.Sprintf("exit code %d\n", code)
}

// word is one word of a line. Single quotes hold it together.
var word = regexp.MustCompile(`('[^']*'|[^\s'])+`)

func split(line string) (words []string) {
	for _, w := range word.FindAllString(line, -1) {
		words = append(words, strings.ReplaceAll(w, "'", ""))
	}
	return words
}
