//go:build linux

package flat

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// asking is how often each question is put to a server.
const asking = 1000

// question is what a server is asked of the image with a number.
type question struct {
	name string
	path func(i int) string
}

// sources are what serve is tried with, in the order of their names.
func (w *world) sources() [][2]string {
	return [][2]string{{"layout", w.path("layout")}, {"oci tar", w.path("o.tar")},
		{"docker tar", w.path("d.tar")}, {"folder", w.path("folder")}}
}

// serve measures what the start of a server takes, and each request. Its results are two verbs for each
// kind of source, and one for each question.
func (o Options) serve(ctx context.Context, w *world, enter func(name string, u Usage)) error {
	if o.Only.MatchString("serve folder") {
		if err := w.folder(ctx, o.Binary); err != nil {
			return err
		}
	}
	for _, source := range w.sources() {
		name := "serve " + source[0]
		if !o.Only.MatchString(name) {
			continue
		}
		if err := o.serveOne(ctx, w, source[1], func(what string, u Usage) { enter(name+what, u) }); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// folder makes a folder with ten archives that hold the images together.
func (w *world) folder(ctx context.Context, binary string) error {
	if err := os.Mkdir(w.path("folder"), 0o700); err != nil {
		return err
	}
	part := 0
	for names := range slices.Chunk(w.names, (len(w.names)+9)/10) {
		part++
		list, in := w.path(fmt.Sprint("list", part)), w.path(fmt.Sprint("part", part))
		text := w.host() + "/" + strings.Join(names, "\n"+w.host()+"/") + "\n"
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			return err
		}
		for _, argv := range [][]string{
			{"fetch", "--from", list, "-o", in, "-q", "--platform", "all"},
			{"save", in, "-o", w.path(fmt.Sprint("folder/", part, ".tar")), "--format", "oci", "-q",
				"--platform", "all"},
		} {
			if text, err := exec.CommandContext(ctx, binary, argv...).CombinedOutput(); err != nil {
				return fmt.Errorf("%v: %w: %.600s", argv, err, text)
			}
		}
		if err := os.RemoveAll(in); err != nil {
			return err
		}
	}
	return nil
}

func (o Options) serveOne(ctx context.Context, w *world, source string, enter func(string, Usage)) error {
	began := time.Now()
	cmd := exec.CommandContext(ctx, o.Binary, "serve", source, "--addr", "127.0.0.1:0", "-q")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	defer cmd.Wait()
	defer cmd.Process.Signal(syscall.SIGTERM)
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	start, err := usageOf(cmd.Process.Pid)
	if err != nil {
		return err
	}
	start.Wall = time.Since(began)
	enter("", start)
	for _, q := range w.questions(strings.TrimSpace(url)) {
		before, err := usageOf(cmd.Process.Pid)
		if err != nil {
			return err
		}
		began := time.Now()
		for i := range asking {
			if err := get(q.path(i)); err != nil {
				return err
			}
		}
		u, err := usageOf(cmd.Process.Pid)
		if err != nil {
			return err
		}
		u.CPU, u.Wall, u.Each = u.CPU-before.CPU, time.Since(began), asking
		enter(": "+q.name, u)
	}
	return nil
}

// questions go through the images, so that no answer is kept from the one before.
func (w *world) questions(url string) []question {
	repo := func(i int) string {
		name, _, _ := strings.Cut(w.names[i*7919%len(w.names)], ":")
		return url + "/v2/" + name
	}
	root := fetched(repo(0) + "/manifests/1")
	d := image.Describe("", root)
	blob := d.Digest
	var m v1.Manifest
	if json.Unmarshal(root, &m) == nil && len(m.Layers) > 0 {
		blob = m.Layers[len(m.Layers)-1].Digest
	}
	kind := "/blobs/"
	if blob == d.Digest { // an index has none
		kind = "/manifests/"
	}
	return []question{
		{"manifest", func(i int) string { return repo(i) + "/manifests/1" }},
		{"blob", func(int) string { return repo(0) + kind + blob.String() }},
		{"tags", func(i int) string { return repo(i) + "/tags/list" }},
		{"referrers", func(int) string { return repo(0) + "/referrers/" + d.Digest.String() }},
		{"catalog", func(i int) string {
			return url + "/v2/_catalog?n=100&last=" + strings.TrimPrefix(repo(i), url+"/v2/")
		}},
		{"page", func(int) string { return url + "/" }},
	}
}

func fetched(url string) []byte {
	resp, err := http.Get(url)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	return raw
}

func get(url string) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/html, */*") // as browsers do
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s, %v", url, resp.Status, err)
	}
	return nil
}

// tick is how Linux counts the time of processes, on all machines that Go knows.
const tick = 10 * time.Millisecond

// usageOf is what a process has taken so far.
func usageOf(pid int) (u Usage, _ error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return u, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest) // the first is the third of proc(5)
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			return u, err
		}
		u.CPU += time.Duration(n) * tick
	}
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Sscan(kib, &u.Peak)
			u.Peak <<= 10
		}
	}
	return u, nil
}
