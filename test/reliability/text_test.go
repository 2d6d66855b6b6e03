//go:build linux

package reliability

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
)

// textCases are what may come to a terminal beside what drayage means to say. Their numbers are those of the
// issue that found them.
var textCases = []trouble{
	{43, "control characters, marks that reorder or hide text, and line ends in platforms, labels, names, " +
		"hosts, error bodies and file names", "prints all text through one writer, which escapes what is not " +
		"printable; --json escapes it too", "", []fault{
		{name: "platforms that are not there", local: true, run: oddImage("--platform", "linux/amd64")},
		{name: "labels, environment and author", local: true, run: oddImage()},
		{name: "the body of an error", local: true, run: oddAnswer(400, "")},
		{name: "the host of a redirect", local: true, run: oddAnswer(307, "Location")},
		{name: "the host of a realm", local: true, run: oddAnswer(401, "WWW-Authenticate")},
		{name: "arguments and file names", local: true, run: oddArguments},
	}},
	{44, "passwords in names of images, URLs and flags, on the command line, in lists, and in what a registry " +
		"says", "masks them in every message", "", []fault{
		{name: "arguments", local: true, run: passwordsTyped},
		{name: "a list of names", local: true, run: passwordsListed},
		{name: "a registry that repeats the credentials", local: true, run: passwordsRepeated},
	}},
	{45, "a server that answers twice", "keeps what net/http logs about it from standard error", "", []fault{
		{name: "fetch -q", local: true, run: answersTwice},
	}},
}

// TestText tries what may come to a terminal, and enters it into the document as a table of its own.
func TestText(t *testing.T) {
	s := Section{
		Title: "Text for terminals", Date: time.Now().UTC().Format(time.DateOnly), Source: "make reliability",
		Text: "Names, labels and errors are written by others, and come to somebody's terminal. A password " +
			"that is typed into the wrong place comes into a log. The numbers are those of the list of " +
			"faults that a red team found.",
		Head: []string{"case", "fault", "what drayage does", "outcome"},
	}
	for _, c := range textCases {
		survived := 0
		for _, f := range c.faults {
			t.Run(fmt.Sprintf("%d/%s", c.number, f.name), func(t *testing.T) {
				defer slot()()
				o, tr := attempt(t, f, false)
				judge(t, f, o, tr)
				if o.Outcome == Survived {
					survived++
				}
			})
		}
		s.Rows = append(s.Rows, []string{strconv.Itoa(c.number), c.title, c.how,
			fmt.Sprintf("survived %d of %d", survived, len(c.faults))})
	}
	if *update && !t.Failed() {
		if err := s.Save(results, "40-text"); err != nil {
			t.Fatal(err)
		}
		render(t)
	}
}

// odd is what terminals obey, what reorders or hides text, and a line of its own.
const odd = "\x1b]0;x\a\u009b31m\u202e\u2066\u200b\nforged: line"

// printable checks that nothing of odd comes out as it is.
func (t *try) printable(r result) {
	text := r.stdout + r.stderr
	if strings.ContainsAny(text, "\x1b\a\u009b\u202e\u2066\u200b") || strings.Contains(text, "\nforged") {
		t.Errorf("drayage %q: %q", r.args, text)
	}
}

// look runs all commands that look at an image.
func (t *try) look(name string, flags ...string) {
	for _, verb := range []string{"inspect", "digest", "fetch", "save"} {
		args := append([]string{verb, name}, flags...)
		if verb == "fetch" || verb == "save" {
			args = append(args, "-o", t.path(verb))
		}
		t.printable(t.run(args...))
		t.printable(t.run(append(args, "--json")...))
	}
	t.printable(t.run("inspect", t.path("fetch"), "--json"))
	t.printable(t.run("verify", t.path("fetch")))
}

func oddImage(flags ...string) func(*try) {
	return func(t *try) {
		s, reg := t.fake()
		config, err := json.Marshal(v1.Image{Author: odd, Platform: v1.Platform{OS: odd, Architecture: odd},
			Config: v1.ImageConfig{Labels: map[string]string{odd: odd}, Env: []string{odd}, Cmd: []string{odd}}})
		if err != nil {
			t.Fatal(err)
		}
		m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: reg.PutBlob("app", config)}
		m.SchemaVersion, m.Config.MediaType = 2, v1.MediaTypeImageConfig
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		child := reg.PutManifest("app", "image", m.MediaType, raw)
		child.Platform = &v1.Platform{OS: odd, Architecture: odd, Variant: odd, OSVersion: odd}
		reg.PutIndex("app", "index", false, child)
		t.look(s.ref("app:image"), flags...)
		t.look(s.ref("app:index"), flags...)
	}
}

func oddAnswer(status int, header string) func(*try) {
	return func(t *try) {
		s, reg := t.fake()
		fault := fakeregistry.Answer(status, odd)
		switch header {
		case "Location":
			fault = fakeregistry.Answer(status, "", header, "https://a\u009b\u202eb.invalid/v2/")
		case "WWW-Authenticate":
			fault = fakeregistry.Answer(status, "", header, "Bearer realm=\"http://a\u009b\u202eb.invalid/\"")
		}
		reg.On(fakeregistry.Match{Path: "/app/"}, fault)
		t.look(s.ref("app:1"))
	}
}

func oddArguments(t *try) {
	for _, args := range [][]string{
		{odd}, {"fetch", "--" + odd}, {"inspect", odd}, {"verify", odd}, {"fetch", "--from", odd, "-o", "x"},
		{"save", odd, "-o", odd}, {"push", odd, odd}, {"login", odd}, {"fetch", "a", "-o", "x", "--platform", odd},
	} {
		r := t.run(args...)
		t.failed(r, []int{exitOther, exitUsage, exitNotFound, exitIntegrity})
		t.printable(r)
	}
}

// secret is a password, which never comes out.
const secret = "hunter2"

func (t *try) silent(r result) {
	if text := r.stdout + r.stderr; strings.Contains(text, secret) || strings.Contains(text, "Ym9iOmh1bnRlcjI") {
		t.Errorf("drayage %q: %s", r.args, text)
	}
}

func passwordsTyped(t *try) {
	const name = "bob:" + secret + "@corp.test/app"
	for _, args := range [][]string{
		{"fetch", name, "-o", "x"}, {"fetch", "https://" + name, "-o", "x"}, {"save", name, "-o", "x"},
		{"inspect", "oci://" + name}, {"ls", name}, {"push", "x", name}, {"push", "x", "https://" + name + "/"},
		{"verify", name}, {"blob", name + "@sha256:12"}, {"login", "-p" + secret, "corp.test"}, {name},
		{"login", "--password" + secret, "corp.test"}, {"login", name},
		{"fetch", "--creds", secret, "a", "-o", "x"},
		{"fetch", "--registry", "https://bob:" + secret + "@[", "a", "-o", "x"},
		{"fetch", "--mirror", "ftp://" + name, "a", "-o", "x"}, {"save", "x", "--tag", name, "-o", "x"},
	} {
		r := t.run(args...)
		t.failed(r, []int{exitOther, exitUsage, exitNotFound, exitDenied, exitNetwork})
		t.silent(r)
	}
}

func passwordsListed(t *try) {
	t.write("list", []byte("bob:"+secret+"@corp.test/app\n"))
	r := t.run("fetch", "--from", t.path("list"), "-o", "x")
	t.failed(r, []int{exitUsage})
	t.silent(r)
}

func passwordsRepeated(t *try) {
	s := t.serve(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, password, ok := req.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintln(w, user, password, req.Header.Get("Authorization"))
	}))
	t.write("docker/config.json", fmt.Appendf(nil, `{"auths":{%q:{"auth":"Ym9iOmh1bnRlcjI="}}}`, s.Addr()))
	for _, args := range [][]string{
		{"fetch", s.ref("app:1"), "-o", "x"}, {"fetch", s.ref("app:1"), "-o", "x", "--json"},
		{"login", s.Addr(), "-u", "bob", "-p", secret},
	} {
		r := t.run(args...)
		t.failed(r, []int{exitDenied})
		t.silent(r)
	}
}

// answersTwice is a server that sends a second answer, for which nobody has asked.
func answersTwice(t *try) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					const answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"
					io.WriteString(c, answer+answer)
					io.Copy(io.Discard, c)
				}
			}()
		}
	}()
	r := t.run("fetch", l.Addr().String()+"/app:1", "-o", "x", "-q")
	t.failed(r, []int{exitNotFound})
	if lines := strings.Count(r.stderr, "\n"); lines != 1 || strings.Contains(r.stderr, "nsolicited") {
		t.Errorf("more than one error: %s", r.stderr)
	}
}
