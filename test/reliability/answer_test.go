//go:build linux

package reliability

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"time"

	"drayage/internal/fakeregistry"
)

// answerCases are the second half of the pulls: registries and networks that answer something else than was
// asked for, or nothing.
var answerCases = []trouble{
	{11, "headers never come, or the body stops",
		"closes a connection on which nothing has moved for a minute, and resumes", "", []fault{
			{name: "no headers", waits: true, run: fetchOver(1, fakeregistry.Hang())},
			{name: "a body that stops", waits: true, run: fetchOver(1, fakeregistry.Stall(900<<10))},
		}},
	{12, "one byte a second",
		"closes a connection that brought fewer than 256 bytes in a minute of waiting, and resumes on another; " +
			"stops at once for Ctrl-C", "", []fault{
			{name: "Ctrl-C", run: interruptedTrickle},
			{name: "a connection that trickles", waits: true, run: fetchOver(1, fakeregistry.Drip(1, time.Second))},
		}},
	{13, "Range ignored: 200 with everything",
		"skips the bytes that it has already; does not try ranges again for that blob", "", []fault{
			{name: "after a reset", run: fetchRangesOver(fakeregistry.IgnoreRange(), 3<<20)},
			{name: "a large layer", run: fetchRangesOver(fakeregistry.IgnoreRange(), 10<<20)},
		}},
	{14, "206 with wrong start or total, without Content-Range, or multipart",
		"uses none of it; reads on from a complete answer", "", []fault{
			{name: "wrong start", run: fetchRangesOver(fakeregistry.ShiftRange(7), 3<<20)},
			{name: "wrong start, large layer", run: fetchRangesOver(fakeregistry.ShiftRange(7), 10<<20)},
			{name: "wrong total", run: fetchRangesOver(fakeregistry.Header("Content-Range", "bytes 1000-2000/3000"),
				3<<20)},
			{name: "no Content-Range", run: fetchRangesOver(fakeregistry.Header("Content-Range", ""), 3<<20)},
			{name: "no Content-Range, large layer", run: fetchRangesOver(fakeregistry.Header("Content-Range", ""),
				10<<20)},
			{name: "multipart", run: fetchRangesOver(fakeregistry.Answer(206,
				"--b\r\nContent-Range: bytes 0-1/9\r\n\r\nxx\r\n--b--", "Content-Type",
				"multipart/byteranges; boundary=b"), 3<<20)},
		}},
	{15, "416 for the range that resumes a blob",
		"hashes a complete partial blob and uses it; begins any other again", "", []fault{
			{name: "whole already", run: fetchOverPartial(func(layer []byte) []byte { return layer })},
			{name: "one byte too long", run: fetchOverPartial(func(layer []byte) []byte {
				return append(bytes.Clone(layer), 0)
			})},
			{name: "half, and 416 for every range", run: fetchRangesOver(fakeregistry.Status(416), 3<<20)},
		}},
	{16, "Content-Encoding added to blob or manifest",
		"asks for identity, unpacks manifests that come compressed all the same, and takes only bytes with the " +
			"right hash", "", []fault{
			{name: "blob, once", run: fetchOver(1, fakeregistry.Gzip())},
			{name: "blob, always", run: fetchFails([]int{exitIntegrity}, fakeregistry.Gzip(), "sha256:")},
			{name: "manifest", run: fetchManifestOver(fakeregistry.Gzip())},
		}},
	{17, "a web page with status 200 in place of an answer",
		"says that it is a web page, stops asking and keeps nothing of it", "", []fault{
			{name: "manifest", run: fetchManifestFails(fakeregistry.Page(), exitOther, exitNetwork)},
			{name: "blob", run: fetchFails([]int{exitNetwork}, fakeregistry.Page(), "sha256:|web page")},
			{name: "token", run: pageForToken},
			{name: "list of tags", run: listFails(fakeregistry.Page(), "web page|not")},
		}},
	{18, "endless answers",
		"reads at most 4 MiB of a manifest, 128 KiB of a token, 64 KiB of an error and a bounded number of " +
			"pages, in bounded memory", "", []fault{
			{name: "manifest", run: fetchManifestFails(fakeregistry.Endless(200, " ", "Content-Type",
				"application/vnd.oci.image.manifest.v1+json"), exitOther, exitIntegrity)},
			{name: "error", run: fetchManifestFails(fakeregistry.Endless(404, "no such thing "), exitNotFound)},
			{name: "token", run: endlessToken},
			{name: "list of tags", run: listFails(fakeregistry.Endless(200, `{"tags":["a"],"x":"`, "Content-Type",
				"application/json"), "larger|bytes")},
			{name: "pages of tags", run: listFails(fakeregistry.Answer(200, `{"name":"app","tags":["a"]}`,
				"Content-Type", "application/json", "Link", `</v2/app/tags/list?last=a>; rel="next"`), "page|tags|list")},
		}},
	{19, "a tag that moves",
		"resolves the tag once, so that a run takes one image; the next run takes the new image", "", []fault{
			{name: "between two requests", run: tagMoves},
		}},
	{20, "no such host, refused, wrong TLS, the wrong protocol, a proxy that wants a password",
		"fails within seconds where waiting does not help, and names the cause", "", []fault{
			{name: "no such host", local: true, run: unreachable("registry.invalid:5000/app:1", "registry.invalid",
				exitNetwork)},
			{name: "connection refused", local: true, run: unreachable("127.0.0.1:1/app:1", "127.0.0.1:1",
				exitNetwork)},
			{name: "unknown authority", only: true, run: unknownAuthority},
			{name: "http where https is expected", local: true, run: httpForHTTPS},
			{name: "proxy answers 407", local: true, run: proxyWantsPassword},
		}},
}

// fetchRangesOver breaks the first stream of a layer, and every range that is asked for meets a fault.
func fetchRangesOver(f fakeregistry.Fault, size int) func(*try) {
	return func(t *try) {
		s, img := t.seeded(size)
		ranges := 0
		s.On(fakeregistry.Match{Path: img.layer(0).Encoded(), Func: func(r *http.Request) bool {
			return r.Method == http.MethodGet && r.Header.Get("Range") != ""
		}}, func(next http.Handler) http.Handler {
			ranges++
			return f(next)
		})
		s.breaks(img, fakeregistry.Match{Count: 1}, fakeregistry.Cut(900<<10))
		t.must("fetch", s.ref("app:1"), "-o", "images")
		t.holds("images", s.ref("app:1"), img)
		if s.Heal(); ranges == 0 {
			t.Error("no range was asked for, so nothing was tried")
		}
		t.note("ranges refused: %d, %d KiB sent again", ranges, s.again(img)>>10)
	}
}

// fetchOverPartial leaves something behind for the first layer, as an earlier run could have.
func fetchOverPartial(left func(layer []byte) []byte) func(*try) {
	return func(t *try) {
		s, img := t.seeded()
		t.write("images/.drayage/partial/sha256-"+img.layer(0).Encoded(), left(img.layers[0]))
		s.On(fakeregistry.Match{Func: func(r *http.Request) bool {
			return r.Header.Get("Range") != ""
		}}, fakeregistry.Status(416))
		t.must("fetch", s.ref("app:1"), "-o", "images")
		t.holds("images", s.ref("app:1"), img)
		t.note("%d KiB of the layer sent", s.Sent(http.MethodGet, img.layer(0).Encoded())>>10)
	}
}

// fetchManifestFails fetches an image whose manifest is not to be had. The command must end soon, in little
// memory.
func fetchManifestFails(f fakeregistry.Fault, codes ...int) func(*try) {
	return func(t *try) {
		s, img := t.seeded()
		s.On(fakeregistry.Match{Path: "/manifests/"}, f)
		t.bounded(t.fails(codes, []string{s.Addr()}, "fetch", s.ref("app:1"), "-o", "images"))
		t.lacks("images", s.ref("app:1"))
		if n := len(s.Requests("", "/manifests/")); n > 8 {
			t.Errorf("the manifest was asked for %d times", n)
		}
		s.Heal()
		t.must("fetch", s.ref("app:1"), "-o", "images")
		t.holds("images", s.ref("app:1"), img)
	}
}

func listFails(f fakeregistry.Fault, says string) func(*try) {
	return func(t *try) {
		s, _ := t.seeded()
		s.On(fakeregistry.Match{Path: "/tags/list"}, f)
		codes := []int{exitOther, exitNetwork, exitIntegrity, exitPartly}
		t.bounded(t.fails(codes, []string{says}, "ls", s.ref("app")))
	}
}

func pageForToken(t *try) { tokenFails(t, fakeregistry.Page()) }

func endlessToken(t *try) { tokenFails(t, fakeregistry.Endless(200, `{"token":"`)) }

func tokenFails(t *try, f fakeregistry.Fault) {
	s, reg := t.fake()
	newImage("guarded").put(reg, "app", "1")
	tokens := &fakeregistry.Tokens{}
	realm := t.serve(tokens)
	reg.RequireToken(tokens, realm.URL()+"/token")
	realm.On(fakeregistry.Match{}, f)
	t.bounded(t.fails([]int{exitOther, exitDenied, exitNetwork}, []string{"token"}, "fetch", s.ref("app:1"),
		"-o", "images"))
	if n := len(realm.Requests("", "")); n > 8 {
		t.Errorf("the token was asked for %d times", n)
	}
}

// interruptedTrickle interrupts drayage while a blob arrives a byte at a time.
func interruptedTrickle(t *try) {
	s, img := t.seeded()
	s.breaks(img, fakeregistry.Match{}, fakeregistry.Drip(1, time.Second))
	var stderr bytes.Buffer
	cmd := t.command("fetch", s.ref("app:1"), "-o", "images")
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for t.Context().Err() == nil && s.Sent(http.MethodGet, img.layer(0).Encoded()) < 2 {
		time.Sleep(20 * time.Millisecond)
	}
	asked := time.Now()
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	t.note("stopped after %d ms", time.Since(asked).Milliseconds())
	if got := cmd.ProcessState.ExitCode(); got != exitInterrupted {
		t.Errorf("exit code %d: %s", got, &stderr)
	}
	t.lacks("images", s.ref("app:1"))
	s.Heal()
	t.must("fetch", s.ref("app:1"), "-o", "images")
	t.holds("images", s.ref("app:1"), img)
}

func tagMoves(t *try) {
	s, reg := t.fake()
	old, other := newImage("old"), newImage("new")
	old.put(reg, "app", "1")
	s.On(fakeregistry.Match{Path: "/manifests/", First: 1, Count: 1}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			other.put(reg, "app", "1")
		})
	})
	t.must("fetch", s.ref("app:1"), "-o", "images")
	t.holds("images", s.ref("app:1"), old)
	r := t.must("fetch", s.ref("app:1"), "-o", "images")
	t.holds("images", s.ref("app:1"), other)
	if !strings.Contains(r.stdout+r.stderr, other.desc.Digest.String()) {
		t.Errorf("the second run does not say what it fetched: %s", r)
	}
}

func unreachable(ref, says string, codes ...int) func(*try) {
	return func(t *try) {
		began := time.Now()
		t.fails(codes, []string{says}, "fetch", ref, "-o", "images")
		t.note("ended after %d s", int(time.Since(began).Seconds()))
		if t.exists("images") {
			t.Error("an empty layout was left")
		}
	}
}

func unknownAuthority(t *try) {
	s, _ := t.seeded()
	t.env = append(t.env, "SSL_CERT_FILE=/dev/null")
	t.fails([]int{exitOther, exitNetwork}, []string{"certificate"}, "fetch", s.ref("app:1"), "-o", "images")
	if n := len(s.Requests("", "")); n != 0 {
		t.Errorf("%d requests were sent to somebody who could be anybody", n)
	}
}

func httpForHTTPS(t *try) {
	s, _ := t.seeded()
	t.fails([]int{exitOther, exitNetwork}, []string{"HTTP|http|TLS"}, "fetch", "--registry", "https://"+s.Addr(),
		"app:1", "-o", "images")
}

func proxyWantsPassword(t *try) {
	proxy := t.serve(fakeregistry.New())
	proxy.On(fakeregistry.Match{}, fakeregistry.Status(407, "Proxy-Authenticate", "Basic realm=x"))
	t.env = append(t.env, "http_proxy="+proxy.URL(), "HTTP_PROXY="+proxy.URL(), "no_proxy=", "NO_PROXY=")
	t.fails([]int{exitDenied, exitNetwork}, []string{"407|proxy|Proxy"}, "fetch", "--plain-http",
		"registry.example/app:1", "-o", "images")
	if n := len(proxy.Requests("", "")); n == 0 || n > 3 {
		t.Errorf("the proxy was asked %d times", n)
	}
}
