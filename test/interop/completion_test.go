//go:build linux

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"drayage/internal/fakeregistry"
	"drayage/test/faultreg"
)

// completing is a shell that has the script of drayage, as drayage completion --help tells to install it.
type completing struct {
	name, program string
	files         map[string]string // of the user's home; SCRIPT stands for what drayage completion prints
	command       string
}

const bashCompletion = "/usr/share/bash-completion/bash_completion"

var completers = []completing{
	{"bash", "bash", map[string]string{".bashrc": "PS1='READY> '\neval \"$(drayage completion bash)\"\n"},
		"bash --noprofile --rcfile ~/.bashrc -i"},
	{"bash with bash-completion", "bash", map[string]string{
		".bashrc": "PS1='READY> '\n. " + bashCompletion + "\n",
		".local/share/bash-completion/completions/drayage": "SCRIPT"},
		"bash --noprofile --rcfile ~/.bashrc -i"},
	{"zsh", "zsh", map[string]string{
		".zshrc":          "PS1='READY> '\nfpath=(~/.zfunc $fpath)\nautoload -U compinit; compinit -u -D\n",
		".zfunc/_drayage": "SCRIPT"}, "zsh -i"},
	{"zsh with eval", "zsh", map[string]string{
		".zshrc": "PS1='READY> '\nautoload -U compinit; compinit -u -D\neval \"$(drayage completion zsh)\"\n"},
		"zsh -i"},
	{"fish", "fish", map[string]string{
		".config/fish/config.fish":              "function fish_prompt; echo 'READY> '; end\nset fish_greeting\n",
		".config/fish/completions/drayage.fish": "SCRIPT"}, "fish -i"},
}

// keyboard is a shell in a terminal. Where a line is entered, a stand-in for drayage keeps its arguments.
type keyboard struct {
	*pane
	dir, args string
}

// standIn is drayage for the scripts. Whatever else is typed it keeps, one argument a line.
const standIn = `#!/bin/sh
case $1 in __complete | completion) exec %s "$@" ;; esac
printf '<%%s>\n' "$@" >%[2]s.new
mv %[2]s.new %[2]s
`

func (c completing) start(t *testing.T, dir string) *keyboard {
	t.Helper()
	require(t, c.program, "tmux")
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if path, err = filepath.Abs(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bashCompletion); err != nil {
		absent(t, "bash-completion is not installed")
	}
	h := newHome(t)
	for name, text := range c.files {
		if text == "SCRIPT" {
			text = run(t, path, "completion", c.program)
		}
		h.write(t, name, []byte(text))
	}
	h.write(t, "list.txt", nil)
	k := &keyboard{dir: dir, args: filepath.Join(string(h), "args")}
	program := h.write(t, "bin/drayage", fmt.Appendf(nil, standIn, path, k.args))
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	k.pane = newPane(t, 110, fmt.Sprintf("cd %s; exec env -i HOME=%s ZDOTDIR=%[2]s TERM=screen LANG=C.UTF-8 "+
		"PATH=%[2]s/bin:/usr/bin:/bin %s", dir, h, strings.ReplaceAll(c.command, "~", string(h))))
	k.until(`READY>`)
	return k
}

// typed types a line with tabs in it, enters it and returns the arguments that drayage gets.
func (k *keyboard) typed(line string) string {
	k.Helper()
	k.press(line)
	k.tmux("send-keys", "Enter")
	for range 300 {
		if raw, err := os.ReadFile(k.args); err == nil {
			if err := os.Remove(k.args); err != nil {
				k.Fatal(err)
			}
			return strings.ReplaceAll(strings.TrimSpace(string(raw)), "\n", "")
		}
		time.Sleep(100 * time.Millisecond)
	}
	k.Fatalf("drayage does not run after %q:\n%s", line, strings.Join(k.screen(), "\n"))
	return ""
}

func (k *keyboard) press(line string) {
	k.Helper()
	for i, text := range strings.Split(line, "\t") {
		if i > 0 {
			k.tmux("send-keys", "Tab")
		}
		if text != "" {
			k.tmux("send-keys", "-l", "--", text)
		}
	}
}

// shown waits until the screen has a text.
func (k *keyboard) shown(text string) {
	k.Helper()
	for range 300 {
		if strings.Contains(strings.Join(k.screen(), "\n"), text) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	k.Errorf("the screen does not show %q:\n%s", text, strings.Join(k.screen(), "\n"))
}

// completions are lines with tabs in them, and the arguments that come of them. REG stands for a registry. A
// shell may end the name of a directory with a slash.
var completions = []struct{ typed, want string }{
	{"drayage fet\t--refe\t", "<fetch><--referrers>"},
	{"drayage fetch --platform=linux/pp\t", "<fetch><--platform=linux/ppc64le>"},
	{"drayage fetch --platform linux/amd64,wi\t", "<fetch><--platform><linux/amd64,windows/amd64>"},
	{"drayage save --format o\t--compress g\t", "<save><--format><oci><--compress><gzip>"},
	{"drayage help verif\t", "<help><verify>"},
	{"drayage docs trou\t", "<docs><troubleshooting>"},
	{"drayage fetch --from sub/na\t", "<fetch><--from><sub/names.txt>"},
	{"drayage fetch --from=sub/na\t", "<fetch><--from=sub/names.txt>"},
	{"drayage fetch --from a\\ f\t", "<fetch><--from><a file.txt>"},
	{"drayage save \"a f\t", "<save><a file.txt>"},
	{"drayage fetch --from ~/lis\t", "<fetch><--from><HOME/list.txt>"},
	{"drayage gc su\t", "<gc><sub/>"},
	{"drayage save oci:my\t", "<save><oci:my images/>"},
	{"drayage inspect docker-\ta.t\t", "<inspect><docker-archive:a.tar>"},
	{"drayage save oci:my\\ images:app:1.1\t -o x", "<save><oci:my images:app:1.10><-o><x>"},
	{"drayage save \"oci:my images:app:1.1\t", "<save><oci:my images:app:1.10>"},
	{"drayage save 'oci:my images:app:1.1\t", "<save><oci:my images:app:1.10>"},
	{"drayage fetch REG/team/app:1.1\t", "<fetch><REG/team/app:1.10>"},
	{"drayage fetch 127.0.0.1:1/team/app:1.1\t", "<fetch><127.0.0.1:1/team/app:1.1>"}, // nobody answers
	{"drayage save oci:hostile:x\t", "<save><oci:hostile:x>"},
	{"drayage save oci:hostile:\t", "<save><oci:hostile:good:1>"},
}

// hostileNames stand in a layout beside a good one.
var hostileNames = []string{"x$(touch owned)", "x`touch owned`", "x;touch owned", "x\ntouch owned\n",
	"x'\";touch owned", "x\x1b[31m", "x|touch owned", "x\ttouch"}

// completionDir has what the lines above complete.
func completionDir(t *testing.T, reg string) string {
	t.Helper()
	dir := scratch(t)
	for _, name := range []string{"sub/names.txt", "a file.txt", "a.tar", "hostile/oci-layout"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o600)
	}
	drayage(t, "fetch", reg+"/team/app:1.9", reg+"/team/app:1.10", "-o", filepath.Join(dir, "my images"), "-q",
		"--platform", "linux/amd64").ok(t)
	var entries []string
	for i, name := range append(slices.Clone(hostileNames), "good:1") {
		entries = append(entries, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,`+
			`"digest":"sha256:%064x","annotations":{"org.opencontainers.image.ref.name":%s}}`, i, quoteJSON(name)))
	}
	index := `{"schemaVersion":2,"manifests":[` + strings.Join(entries, ",") + `]}`
	writeFile(t, filepath.Join(dir, "hostile/index.json"), []byte(index), 0o600)
	return dir
}

func quoteJSON(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, `\u%04x`, c)
	}
	return `"` + b.String() + `"`
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	reg := fakeregistry.New()
	for _, tag := range []string{"1.9", "1.10"} {
		reg.PutImage("team/app", tag, fakeregistry.Image{Layers: []fakeregistry.Layer{
			fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"a": tag}))}})
	}
	server := faultreg.Start(reg, false)
	t.Cleanup(server.Close)
	for _, c := range completers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := completionDir(t, server.Addr())
			k := c.start(t, dir)
			for _, line := range completions {
				typed := strings.ReplaceAll(line.typed, "REG", server.Addr())
				want := strings.ReplaceAll(line.want, "REG", server.Addr())
				want = strings.ReplaceAll(want, "HOME", filepath.Dir(k.args))
				got := k.typed(typed)
				if got != want && got != strings.ReplaceAll(want, "/>", ">") {
					t.Errorf("%q becomes %s, want %s", typed, got, want)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "owned")); err == nil {
				t.Error("a name in a layout has been run")
			}
			if strings.Contains(strings.Join(k.screen(), "\n"), "refused") {
				t.Errorf("a failure is shown:\n%s", strings.Join(k.screen(), "\n"))
			}
			k.tmux("send-keys", "C-l")
			k.press("drayage fetch --pl\t\t\t")
			k.shown("plain-http")
			if c.program != "bash" { // others show what it is
				k.shown("speak http to the registry")
			}
		})
	}
}
