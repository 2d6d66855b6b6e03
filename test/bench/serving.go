//go:build linux

package bench

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Registries that serve the same blobs. Whoever pulls is the same program for all of them, which throws
// away what it gets. Its own time and memory do not count, but it uses the same cores.

// serving is what is pulled, by how many connections at once.
type serving struct {
	set         string
	title       string
	connections []int
}

var servings = []serving{
	{"1GB", "a layer of 1 GB", []int{1, 8}},
	{"304MB", "an image of 304 MB", []int{1, 8, 64}},
	{fmt.Sprint("many", many), fmt.Sprintf("%d small blobs", many), []int{1, 8, 64}},
}

func servingScenarios() (all []scenario) {
	for _, s := range servings {
		for _, n := range s.connections {
			all = append(all, scenario{id: fmt.Sprintf("serve-%s-%d", strings.ToLower(s.set), n),
				title:   fmt.Sprintf("registries that serve: %s, %d at once", s.title, n),
				prepare: serveScenario(s.set, n),
				targets: []target{fasterThanPeers(1), lessMemoryThanPeers()}})
		}
	}
	return all
}

func lessMemoryThanPeers() target {
	return target{"less memory than any peer", func(_ *Report, r *Result) (string, bool, bool) {
		own, least := r.row("drayage"), (*Row)(nil)
		for _, row := range r.Rows {
			if row.measured() && !row.limit && !row.isDrayage() &&
				(least == nil || row.peak() < least.peak()) {
				least = row
			}
		}
		if own == nil || least == nil || !own.measured() {
			return "not measured", false, false
		}
		return fmt.Sprintf("%d MiB, %s %d MiB", own.peak()>>20, least.tool, least.peak()>>20),
			own.peak() < least.peak(), true
	}}
}

// serveScenario has every registry serve the same data set.
func serveScenario(set string, connections int) preparation {
	return func(ctx context.Context, e *env) (all []contender, done func(), err error) {
		d, err := e.set(ctx, set)
		if err != nil {
			return nil, nil, err
		}
		var stops []func()
		done = func() {
			for _, stop := range stops {
				stop()
			}
		}
		for _, r := range registries {
			c := contender{tool: r.tool}
			s, err := r.start(ctx, e, d)
			if err != nil {
				c.whyNot = oneLine(err.Error())
			} else {
				stops = append(stops, s.stop)
				c.task = pullFrom(s, d, connections)
			}
			all = append(all, c)
		}
		return all, done, nil
	}
}

// pullFrom has the blobs of a data set pulled. With one image every connection pulls all of it. With many
// images the connections share their layers.
func pullFrom(s *serverProcess, d *dataset, connections int) func(context.Context, *round) (task, error) {
	return func(_ context.Context, r *round) (task, error) {
		blobs := d.served()
		if len(d.Images) == 1 {
			blobs = slices.Repeat(blobs, connections)
		}
		list := r.path("list")
		return task{
			argv:    [][]string{{r.self, "pull", s.addr, list, strconv.Itoa(connections)}},
			daemon:  []int{s.pid},
			serving: true,
			check: func(ctx context.Context) (int64, error) {
				return pull(ctx, s.addr, d.served(), 4, sha256.New)
			},
		}, os.WriteFile(list, []byte(strings.Join(blobs, "\n")), 0o600)
	}
}

// served are the blobs that are pulled, each as its path below /v2/ and its size: all layers of one image,
// or the own layer of each of many.
func (d *dataset) served() (all []string) {
	for _, img := range d.Images {
		repository, _ := splitName(img.Name)
		layers := img.Layers
		if len(d.Images) > 1 {
			layers = layers[len(layers)-1:]
		}
		for _, l := range layers {
			all = append(all, fmt.Sprintf("%s/blobs/%s %d", repository, l.Digest, l.Size))
		}
	}
	return all
}
