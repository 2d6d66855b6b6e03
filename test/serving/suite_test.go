//go:build linux

package serving

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
)

// suite is the conformance suite of the OCI, a program that go.mod names as a tool.
type suite struct {
	t    *testing.T
	path string
}

func buildSuite(t *testing.T) suite {
	t.Helper()
	path, err := builtSuite()
	if err != nil {
		t.Fatal(err)
	}
	return suite{t, path}
}

var builtSuite = sync.OnceValues(func() (string, error) {
	path := filepath.Join(work, "conformance")
	out, err := exec.Command("go", "build", "-o", path,
		"github.com/opencontainers/distribution-spec/conformance").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the suite: %v\n%s", err, out)
	}
	return path, nil
})

const repository = "conformance/repo1"

// verdicts are what the suite says of each of its checks, as far as a check has no parts.
type verdicts map[string][]string

// line is one of the suite's report, such as "OCI Conformance Test/ping: Pass".
var line = regexp.MustCompile(`^\s*OCI Conformance Test(/[^:]*)?: (\w+)$`)

// run runs the suite. It reads what the suite prints: where it does not push, this version crashes before
// it has written its other reports.
func (s suite) run(addr string, settings ...string) (verdicts, string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), s.path)
	cmd.Dir = s.t.TempDir()
	cmd.Env = append(os.Environ(), "OCI_REGISTRY="+addr, "OCI_TLS=disabled", "OCI_RESULTS_DIR="+cmd.Dir,
		"OCI_REPO1="+repository, "OCI_REPO2=conformance/repo2", "OCI_LOG=error",
		"OCI_API_TAGS_DELETE=false", "OCI_API_MANIFESTS_DELETE=false", "OCI_API_BLOBS_DELETE=false",
		"OCI_DATA_SHA512=false") // drayage knows sha256 only
	cmd.Env = append(cmd.Env, settings...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Run() // what it has found counts, not how it ends
	found, last := verdicts{}, ""
	for text := range strings.Lines(out.String()) {
		m := line.FindStringSubmatch(strings.TrimRight(text, "\n"))
		if m == nil {
			continue
		}
		if strings.HasPrefix(m[1], last+"/") {
			delete(found, last) // has parts
		}
		found[m[1]], last = append(found[m[1]], m[2]), m[1]
	}
	if len(found) == 0 {
		s.t.Fatalf("the suite has checked nothing:\n%s", &out)
	}
	return found, out.String()
}

// passes counts the checks of that name, and fails the test unless all have passed.
func (v verdicts) passes(t *testing.T, name string) (n int) {
	t.Helper()
	for _, verdict := range v[name] {
		if verdict != "Pass" {
			t.Errorf("%s: %s", name, verdict)
		}
		n++
	}
	return n
}

// startOlareg runs a registry with the API for referrers, which the suite fills. Its directory, if there is
// one, has a layout for each repository.
func startOlareg(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	storage := config.ConfigStorage{StoreType: config.StoreMem}
	if dir != "" {
		storage = config.ConfigStorage{StoreType: config.StoreDir, RootDir: dir}
	}
	s := olareg.New(config.Config{Storage: storage, Log: slog.New(slog.DiscardHandler)})
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}
