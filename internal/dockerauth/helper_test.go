package dockerauth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeHelper keeps what it is given in files of the directory beside it, and writes down what it is asked.
const fakeHelper = `#!/bin/sh
dir=$(dirname "$0")/keychain
mkdir -p "$dir"
input=$(cat)
echo "$1 $input" >>"$dir/log"
name() { printf %s "$1" | tr -c 'a-zA-Z0-9.\n' _; }
case $1 in
store)
	url=$(printf %s "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/')
	printf %s "$input" >"$dir/$(name "$url")" ;;
get)
	cat "$dir/$(name "$input")" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
erase)
	rm "$dir/$(name "$input")" || { echo "nothing to erase"; exit 1; } ;;
esac
`

// installHelper puts a shell script into PATH as docker-credential-NAME and returns its directory.
func installHelper(t *testing.T, name, script string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("helpers are shell scripts here")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return dir
}

// answering is a helper that says one thing.
func answering(status int, stdout, stderr string) string {
	return fmt.Sprintf("#!/bin/sh\ncat >/dev/null\nprintf '%%s' '%s'\nprintf '%%s' '%s' >&2\nexit %d\n", stdout,
		stderr, status)
}

func asked(t *testing.T, dir string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "keychain", "log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(raw), func(r rune) bool { return r == '\n' })
}

func TestHelperChoice(t *testing.T) {
	for name, script := range map[string]string{
		"general": answering(0, `{"ServerURL":"x","Username":"general","Secret":"s"}`, ""),
		"special": answering(0, `{"ServerURL":"x","Username":"special","Secret":"s"}`, ""),
		"none":    answering(1, "credentials not found in native keychain\n", ""),
	} {
		installHelper(t, name, script)
	}
	const auths = `"auths":{"r.example":{"auth":"` + "ZmlsZTpz" +
		`"},"https://index.docker.io/v1/":{"auth":"ZmlsZTpz"}}`
	for text, want := range map[string]string{
		`{"credsStore":"general",` + auths +
			`}`: "general",
		`{"credsStore":"general","credHelpers":{"r.example":"special"},` + auths +
			`}`: "special",
		`{"credsStore":"general","credHelpers":{"https://r.example/v1/":"special"},` + auths +
			`}`: "special",
		`{"credsStore":"general","credHelpers":{"other.example":"special"},` + auths +
			`}`: "general",
		`{"credsStore":"general","credHelpers":{"r.example":""},` + auths +
			`}`: "file",
		`{"credsStore":"none",` + auths +
			`}`: "file",
		`{"credsStore":"general","credHelpers":{"r.example":"none"},` + auths +
			`}`: "file",
		`{"credHelpers":{"r.example":"none","https://r.example":"general"}}`:                                     "",
		`{"credHelpers":{"r.example.org":"special","example":"special"}}`:                                        "",
		`{"credsStore":"special","credHelpers":{"docker.io":"general"},"auths":{"r.example":{},"x.example":{}}}`: "special",
	} {
		b := newBox(t)
		b.opts.Strict = true
		b.write(".docker/config.json", text)
		if c, err := b.lookup("r.example", "team/app"); err != nil || c.Username != want {
			t.Errorf("%s: %q, %v; want %q", text, c.Username, err, want)
		}
	}
}

// Docker Hub has one name in docker's world and another in podman's.
func TestHelperKeys(t *testing.T) {
	dir := installHelper(t, "fake", fakeHelper)
	b := newBox(t)
	b.write(".docker/config.json", `{"credsStore":"fake"}`)
	b.finds("docker.io", "library/alpine", "")
	b.finds("r.example:5000", "app", "")
	want := []string{"get https://index.docker.io/v1/", "get docker.io", "get r.example:5000"}
	if got := asked(t, dir); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q", got)
	}
}

func TestHelperIdentityToken(t *testing.T) {
	installHelper(t, "fake", answering(0, `{"ServerURL":"x","Username":"<token>","Secret":"idt"}`, ""))
	b := newBox(t)
	b.write(".docker/config.json", `{"credsStore":"fake"}`)
	if c, err := b.lookup("r.example", ""); err != nil || c != (Credential{IdentityToken: "idt"}) {
		t.Errorf("%+v, %v", c, err)
	}
}

// What goes wrong is an error for who writes and a warning for who reads. Neither shows a secret.
func TestHelperFails(t *testing.T) {
	for name, tc := range map[string]struct {
		script string // empty: there is no such program
		says   string
	}{
		"missing":           {"", "no such program"},
		"says why":          {answering(1, "the keychain is locked\n", ""), `"the keychain is locked"`},
		"says it elsewhere": {answering(1, "", "log in with gcloud\n"), `"log in with gcloud"`},
		"says nothing":      {answering(3, "", ""), "exit status 3"},
		"control":           {answering(1, "a\033[2Jb", ""), `a\x1b[2Jb`},
		"credentials, 1": {answering(1, `{"ServerURL":"x","Username":"ann","Secret":"SECRET"}`, ""),
			"exit status 1"},
		"credentials, 2": {answering(1, `	"Secret": "SECRET" }`, ""), "exit status 1"},
		"traced":         {answering(1, "", `+ echo {"Secret":"SECRET"}`), "exit status 1"},
		"no JSON":        {answering(0, "SECRET", ""), "not what the protocol says"},
		"cut off":        {answering(0, `{"Username":"ann","Secret":"SECRET`, ""), "not what the protocol says"},
		"wrong types": {answering(0, `{"Username":"ann","Secret":5312.7}`, "SECRET"),
			"not what the protocol says"},
		"empty":          {answering(0, "", ""), "not what the protocol says"},
		"endless":        {"#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' x\n", "says too much"},
		"no interpreter": {"#!/does/not/exist\n", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.script != "" {
				installHelper(t, "fake", tc.script)
			}
			b := newBox(t)
			path := b.write(".docker/config.json", `{"credsStore":"fake","auths":{"r.example":{"auth":"`+
				auth("file:s")+`"},"marked.example":{}}}`)
			b.finds("r.example", "", "file")
			b.told(`"docker-credential-fake"`, path, tc.says)
			said := strings.ReplaceAll(b.warnings[0], path, "") // whose number may be anything
			if strings.ContainsAny(said, "\x1b\n") || strings.Contains(said, "SECRET") ||
				strings.Contains(said, "5312") {
				t.Errorf("%q", said)
			}
			b.finds("marked.example", "", "")
			b.opts.Strict = true
			_, err := b.lookup("r.example", "")
			var unusable *Error
			if !errors.As(err, &unusable) || !strings.Contains(err.Error(), tc.says) ||
				strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%v", err)
			}
		})
	}
}

// A name must not lead to a program elsewhere.
func TestHelperName(t *testing.T) {
	for _, name := range []string{"../../bin/true", "x/y", `x\\y`, " fake"} {
		b := newBox(t)
		b.opts.Strict = true
		b.write(".docker/config.json", `{"credsStore":"`+name+`"}`)
		if _, err := b.lookup("r.example", ""); err == nil ||
			!strings.Contains(err.Error(), "not the name of a program") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

const hanging = "#!/bin/sh\nexec sleep 1000\n"

func TestHelperHangs(t *testing.T) {
	installHelper(t, "fake", hanging)
	b := newBox(t)
	b.opts.HelperTimeout = 100 * time.Millisecond
	b.write(".docker/config.json", `{"credsStore":"fake","auths":{"r.example":{"auth":"`+auth("file:s")+`"}}}`)
	b.finds("r.example", "", "file")
	b.told("docker-credential-fake", "no answer within 100ms")
	b.opts.Strict = true
	if _, err := b.lookup("r.example", ""); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Error(err)
	}
}

// An interrupted search is not one that found nothing.
func TestHelperInterrupted(t *testing.T) {
	installHelper(t, "fake", hanging)
	b := newBox(t)
	b.write(".docker/config.json", `{"credsStore":"fake"}`)
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	if c, err := New(b.opts).Lookup(ctx, "r.example", ""); !errors.Is(err, why) {
		t.Errorf("%+v, %v", c, err)
	}
	b.told()
}

// A helper may leave an agent behind that holds its output open.
func TestHelperLeavesAgent(t *testing.T) {
	dir := installHelper(t, "fake",
		"#!/bin/sh\n(while test -e \"$(dirname \"$0\")/stay\"; do sleep 0.1; done) &\necho "+
			"'{\"Username\":\"ann\",\"Secret\":\"s\"}'\n")
	stay := write(t, filepath.Join(dir, "stay"), "")
	defer os.Remove(stay)
	b := newBox(t)
	b.opts.Strict = true
	b.write(".docker/config.json", `{"credsStore":"fake"}`)
	b.finds("r.example", "", "ann")
}

// Many workers ask at once; the helper is asked once, and again when its answer has become old.
func TestHelperAskedOnce(t *testing.T) {
	dir := installHelper(t, "fake", fakeHelper)
	b := newBox(t)
	b.write(".docker/config.json", `{"credsStore":"fake"}`)
	now := time.Now()
	s := New(b.opts)
	s.helpers.now = func() time.Time { return now }
	many := func() {
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if c, err := s.Lookup(t.Context(), "r.example", fmt.Sprint("app", i)); err != nil || c != (Credential{}) {
					t.Errorf("%+v, %v", c, err)
				}
			})
		}
		all.Wait()
	}
	for want := 1; want <= 2; want++ {
		many()
		if got := asked(t, dir); len(got) != want {
			t.Fatalf("asked %d times, want %d", len(got), want)
		}
		now = now.Add(helperTrust + time.Second)
	}
}

// One who waits for another's answer can still be interrupted.
func TestHelperWaitInterrupted(t *testing.T) {
	dir := installHelper(t, "fake", "#!/bin/sh\ntouch \"$(dirname \"$0\")/asked\"\nexec sleep 1000\n")
	b := newBox(t)
	b.opts.HelperTimeout = time.Hour
	b.write(".docker/config.json", `{"credsStore":"fake"}`)
	s := New(b.opts)
	first, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { s.Lookup(first, "r.example", "") })
	for _, err := os.Stat(filepath.Join(dir, "asked")); err != nil; _, err = os.Stat(filepath.Join(dir,
		"asked")) {
		time.Sleep(10 * time.Millisecond)
	}
	second, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Lookup(second, "r.example", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	stop()
	all.Wait()
}
