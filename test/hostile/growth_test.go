//go:build linux

package hostile_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drayage/test/hostile"
	"drayage/test/registry3"
)

// A list of crowdSize is compared with one that is twice as long.
const (
	crowdSize = 300
	// A loop over a list runs twice as often then, sorting a little more, and a loop within a loop four times.
	mostGrowth = 3.0
	// What runs less often than that for each item of the longer list does not show in the time.
	noticed = 60 * 2 * crowdSize
)

// counting builds drayage so that it counts how often each statement runs, of its own and of what searches
// and sorts lists.
func counting(t *testing.T) string {
	built := filepath.Join(t.TempDir(), "drayage")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-cover", "-covermode=count",
		"-coverpkg=drayage/...,slices,strings,bytes,sort,maps", "-o", built, "./cmd/drayage")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return built
}

// Whatever list a document has, twice as many items cost twice as much. What is counted are statements, so
// the result does not depend on the machine.
func TestWild38Growth(t *testing.T) {
	binary := counting(t)
	private, err := registry3.Start(t.Context(), registry3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(private.Close)
	for i, c := range hostile.Crowds() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			grew := func(try string) map[string]string {
				var counts [2]map[string]int
				for k, n := range []int{crowdSize, 2 * crowdSize} {
					target := fmt.Sprintf("%s/c%d/%s%d/", private.Addr(), i, try, n)
					g := &grown{T: t, binary: binary, dir: t.TempDir(), target: target}
					counts[k] = g.count(c, n)
				}
				all := map[string]string{}
				for block, many := range counts[1] {
					if few := counts[0][block]; many > noticed && float64(many) > mostGrowth*float64(few) {
						all[block] = fmt.Sprintf("ran %d times, and %d times for twice as many", few, many)
					}
				}
				return all
			}
			first := grew("first")
			if len(first) == 0 {
				return
			}
			again := grew("again") // what shows how far a command is runs more often on a busy machine
			for block, how := range first {
				if again[block] != "" {
					t.Errorf("%s %s", block, how)
				}
			}
		})
	}
}

type grown struct {
	*testing.T
	binary, dir, target string
}

func (g *grown) path(name string) string { return filepath.Join(g.dir, name) }

// count gives an archive, and the layout that is in it, to all that reads them, and returns how often each
// block of statements ran.
func (g *grown) count(c hostile.Crowd, n int) map[string]int {
	g.Helper()
	raw := c.Make(n)
	if err := os.WriteFile(g.path("in.tar"), raw, 0o644); err != nil {
		g.Fatal(err)
	}
	if err := os.Mkdir(g.path("counts"), 0o755); err != nil {
		g.Fatal(err)
	}
	sources := []string{"in.tar"}
	if c.OCI {
		sources = append(sources, "in")
		cmd := exec.Command("tar", "-xf", g.path("in.tar"), "--one-top-level="+g.path("in"))
		if out, err := cmd.CombinedOutput(); err != nil {
			g.Fatalf("%v: %s", err, out)
		}
	}
	for _, s := range sources {
		g.run(nil, "inspect", s)
		g.run(nil, "verify", s)
		g.run(nil, "save", s, "-o", "docker.tar")
		g.run(nil, "save", s, "-o", "oci.tar", "--format", "oci", "--platform", "all", "--referrers")
		if !c.Listed {
			g.run(nil, "push", s, g.target, "--platform", "all", "--referrers")
		}
		g.run(nil, "push", s, g.target+"one:1")
	}
	if c.OCI {
		g.thin(c.Listed)
	}
	g.run(raw, "inspect", "-")
	g.run(raw, "push", "-", g.target)
	if c.OCI {
		for _, args := range [][]string{{"ls", "in"}, {"tag", "oci:in:" + hostile.Name, "new:1"}, {"gc", "in"},
			{"verify", "--repair", "in"}, {"rm", "oci:in:*"}, {"gc", "in"}} {
			g.run(nil, args...)
		}
	}
	return g.counted()
}

// thin makes an archive without what the layout has, and gives it to all that reads it. listed is that of the
// crowd.
func (g *grown) thin(listed bool) {
	g.Helper()
	everything := []string{"--platform", "all", "--referrers"}
	g.run(nil, "inventory", "in", "-o", "far.inv")
	g.run(nil, append([]string{"save", "in", "--since", "far.inv", "-o", "thin.tar"}, everything...)...)
	g.run(nil, append([]string{"save", "in", "--since", "oci.tar", "-o", "thin.tar"}, everything...)...)
	g.run(nil, "inspect", "thin.tar")
	g.run(nil, "verify", "thin.tar")
	g.run(nil, "verify", "thin.tar", "--base", "in")
	g.run(nil, "save", "thin.tar", "--base", "oci.tar", "-o", "again.tar")
	if listed {
		everything = everything[:2]
	}
	g.run(nil, append([]string{"push", "thin.tar", g.target + "one:1"}, everything...)...)
	g.run(nil, append([]string{"push", "thin.tar", g.target + "thin:1", "--want-out", "want.json"},
		everything...)...)
}

// run runs a command. Whether it takes or refuses the input is for others to test.
func (g *grown) run(stdin []byte, args ...string) {
	g.Helper()
	ctx, cancel := context.WithTimeout(g.Context(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.binary, args...)
	cmd.Dir, cmd.Stdin = g.dir, bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GOCOVERDIR="+g.path("counts"), "HOME="+g.dir, "DOCKER_CONFIG="+g.dir,
		"XDG_CACHE_HOME="+g.dir, "XDG_RUNTIME_DIR="+g.dir, "TMPDIR="+g.dir, "REGISTRY_AUTH_FILE=")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		g.Fatalf("%v did not end", args)
	}
	if testing.Verbose() {
		g.Logf("%v: %v: %.300s", args, err, out)
	}
}

func (g *grown) counted() map[string]int {
	g.Helper()
	cmd := exec.Command("go", "tool", "covdata", "textfmt", "-i", g.path("counts"), "-o", g.path("counts.txt"))
	if out, err := cmd.CombinedOutput(); err != nil {
		g.Fatalf("%v: %s", err, out)
	}
	raw, err := os.ReadFile(g.path("counts.txt"))
	if err != nil {
		g.Fatal(err)
	}
	all := map[string]int{}
	for s := bufio.NewScanner(bytes.NewReader(raw)); s.Scan(); {
		fields := strings.Fields(s.Text()) // FILE:LINES STATEMENTS COUNT, below a line with the mode
		var n int
		if _, err := fmt.Sscan(fields[len(fields)-1], &n); err == nil && len(fields) == 3 {
			all[fields[0]] += n
		}
	}
	if len(all) < 1000 {
		g.Fatalf("only %d blocks were counted", len(all))
	}
	return all
}
