package architecture

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "drayage"

// public lists the packages that programs outside may use. Each may import the public packages that are
// listed with it, and all internal ones. A new public package has to be entered here.
var public = map[string][]string{
	"image":         {},        // the vocabulary: everybody may use it, packages in internal too
	"registry":      {"image"}, // registry and layout stay apart: descriptors and strings go between them
	"engineconfig":  {"registry"},
	"layout":        {"image"},
	"dockerarchive": {"image", "layout"},
	"fetch":         {"image", "registry", "layout"},
	"upload":        {"image", "registry", "layout", "dockerarchive"},
	"inspect":       {"image", "registry", "layout", "dockerarchive"},
	"audit":         {"image", "layout", "dockerarchive"},
	"serve":         {"image"}, // whatever gives out blobs can be served: it need be no layout
	"docs":          {},        // the pages of the book, in the binary
}

// upon lists internal packages that stand on public ones, with those.
var upon = map[string][]string{
	// What a SOURCE means is the command's affair, but all its verbs and tests share the one way to open it.
	"internal/source": {"image", "registry", "layout", "dockerarchive"},
	// The results of all commands are one document. What inspect says of an image is a part of it.
	"internal/report": {"inspect"},
	"internal/tables": {"inspect"},
	// A record is what inspect says of all images, and what they are in.
	"internal/record": {"inspect"},
	// What is in a layout, an archive or a registry.
	"internal/stock": {"registry", "layout", "dockerarchive"},
	// The verbs that work in a layout.
	"internal/workplace": {"layout", "registry"},
	// What the far side has may be told by a layout or by a repository.
	"internal/farside": {"layout", "registry"},
	// Names of images are typed before digests.
	"internal/restore": {"registry"},
	// Older images are found in layouts, in archives and in repositories.
	"internal/older": {"registry", "layout"},
	// What is served is made of layouts and archives. A compressed layer is what a push of it would make.
	"internal/shelf": {"layout", "registry", "dockerarchive", "upload", "serve"},
	// What a client of registries does is a registry.Event.
	"internal/tell": {"registry"},
	// What stands before a served registry logs its events.
	"internal/front": {"serve"},
	// The pages show what is served, and what inspect says of it.
	"internal/browse": {"serve", "inspect"},
	// What the engines' files say of a registry is a registry.Endpoint.
	"internal/hostconfig": {"registry"},
	// The files for engines lead from references to references.
	"internal/mirrorconf": {"registry"},
}

// vocabulary is the public package that packages in internal may import.
const vocabulary = "image"

// commandOnly lists modules that only the command may use: a library knows nothing of terminals.
var commandOnly = []string{"github.com/urfave/cli", "golang.org/x/term"}

// testOnly lists packages for tests whose names do not end in "test".
var testOnly = []string{"internal/fakeregistry", "internal/pipenet"}

func isCommandOnly(pkg string) bool {
	return slices.ContainsFunc(commandOnly, func(m string) bool { return strings.HasPrefix(pkg, m) })
}

func isTestOnly(pkg string) bool {
	return strings.HasSuffix(pkg, "test") || slices.Contains(testOnly, pkg)
}

// list runs go list in the module's root and returns its lines, divided at spaces.
func list(t *testing.T, args ...string) (lines [][]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v: %s", args, err, stderr.String())
	}
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		lines = append(lines, strings.Fields(s.Text()))
	}
	if len(lines) == 0 {
		t.Fatalf("go list %v prints nothing", args)
	}
	return lines
}

// imports maps the module's packages to what they import, both without the module's name.
func imports(t *testing.T) map[string][]string {
	all := map[string][]string{}
	for _, l := range list(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...") {
		for i := range l {
			l[i] = strings.TrimPrefix(l[i], module+"/")
		}
		all[l[0]] = l[1:]
	}
	return all
}

func TestImportsRunOneWay(t *testing.T) {
	packages := imports(t)
	for name := range public {
		if _, ok := packages[name]; !ok {
			t.Errorf("%s is entered here but is no package any more", name)
		}
	}
	for pkg, imported := range packages {
		command, internal := strings.HasPrefix(pkg, "cmd/"), strings.HasPrefix(pkg, "internal/")
		may, known := public[pkg]
		if !command && !internal && !known {
			t.Errorf("%s is a new public package: enter it here", pkg)
		}
		for _, i := range imported {
			_, isPublic := public[i]
			switch {
			case strings.HasPrefix(i, "cmd/"):
				t.Errorf("%s imports the command %s", pkg, i)
			case isPublic && internal && i != vocabulary && !slices.Contains(upon[pkg], i):
				t.Errorf("%s is internal and imports %s, which is built on it", pkg, i)
			case isPublic && known && !slices.Contains(may, i):
				t.Errorf("%s imports %s", pkg, i)
			case isTestOnly(i) && !isTestOnly(pkg):
				t.Errorf("%s imports %s, which is for tests", pkg, i)
			case !command && isCommandOnly(i):
				t.Errorf("%s imports %s, which only the command may", pkg, i)
			}
		}
	}
}

// The map of the code names every package.
func TestMapIsWhole(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for pkg := range imports(t) {
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(path.Base(pkg)) + `\b`).Match(raw) {
			missing = append(missing, pkg)
		}
	}
	slices.Sort(missing)
	exceeding(t, "packages that docs/architecture.md does not name", missing)
}

func TestCommandHoldsNoTests(t *testing.T) {
	for _, l := range list(t, "-deps", "./cmd/...") {
		own, ok := strings.CutPrefix(l[0], module+"/")
		if l[0] == "testing" || ok && isTestOnly(own) {
			t.Errorf("the command is built of %s", l[0])
		}
	}
}

var saysNothing = []string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "base", "types"}

func TestNoPackageIsNamedAfterNothing(t *testing.T) {
	for pkg := range imports(t) {
		for _, word := range strings.Split(pkg, "/") {
			if slices.Contains(saysNothing, word) {
				t.Errorf("%s: the name does not say what it provides", pkg)
			}
		}
	}
}
