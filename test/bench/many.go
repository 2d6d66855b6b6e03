//go:build linux

package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// few and many are how many small images the scenarios of very many images have. All but their number is the
// same.
const (
	few  = 100
	many = 10_000
)

// planMany is a base that all images share, and a layer of its own for each.
func planMany(p *plan, images int, source func(n, size int64)) {
	source(1, 0)
	source(int64(images), 0)
	for i := range images {
		p.images = append(p.images, []int{0, 1 + i})
	}
}

// manyScenarios are each measured with few images and with many.
func manyScenarios() (all []scenario) {
	for _, work := range []struct {
		id, title string
		of        func(*env, *dataset, string) contender
	}{
		{"many-fetch-", "registry to layout, small images: ", fetchMany},
		{"many-fetch-again-", "registry to the layout that has them, small images: ", fetchManyAgain},
		{"many-docker-tar-", "layout to docker tar, small images: ", saveMany("docker")},
		{"many-oci-tar-", "layout to OCI tar, small images: ", saveMany("oci")},
		{"many-verify-", "verify, small images: ", readMany("verify")},
		{"many-ls-", "ls, small images: ", readMany("ls")},
		{"many-inventory-", "layout to inventory, small images: ", thinMany(inventoryOf)},
		{"many-since-", "layout to thin OCI tar, small images: ", thinMany(sinceOf)},
		{"many-thin-verify-", "verify a thin OCI tar and its base, small images: ", thinMany(verifyThin)},
		{"many-thin-save-", "thin OCI tar and its base to OCI tar, small images: ", thinMany(restoreThin)},
		{"many-thin-push-", "thin OCI tar to registry, small images: ", thinMany(pushThin)},
	} {
		for _, n := range []int{few, many} {
			s := scenario{id: fmt.Sprint(work.id, n), title: fmt.Sprint(work.title, n), once: n == many,
				prepare: readScenario(fmt.Sprint("many", n), direct,
					func(_ context.Context, e *env, d *dataset, addr string) []contender {
						return []contender{work.of(e, d, addr)}
					}),
				targets: []target{memoryBelow(100)}}
			if n == many {
				s.targets = append(s.targets, sameCost(fmt.Sprint(work.id, few), 1.3))
			}
			all = append(all, s)
		}
	}
	return all
}

// fetchList is the command that fetches all images of a data set, whose names are too many for a command
// line.
func (r *round) fetchList(d *dataset, addr, dir string) ([]string, error) {
	var names strings.Builder
	for _, img := range d.Images {
		fmt.Fprintln(&names, ref(addr, img))
	}
	list := r.path("list")
	return r.drayage("fetch", "--from", list, "-o", dir), os.WriteFile(list, []byte(names.String()), 0o600)
}

func fetchMany(_ *env, d *dataset, addr string) contender {
	return contender{tool: "drayage", task: func(_ context.Context, r *round) (task, error) {
		dir := r.path("layout")
		argv, err := r.fetchList(d, addr, dir)
		return task{argv: [][]string{argv}, out: []string{dir}, images: len(d.Images),
			check: func(context.Context) (int64, error) { return checkLayout(dir, d.Images) }}, err
	}}
}

func fetchManyAgain(e *env, d *dataset, addr string) contender {
	first := fetchMany(e, d, addr)
	return contender{tool: "drayage", task: func(ctx context.Context, r *round) (task, error) {
		t, err := first.task(ctx, r)
		t.before = func(ctx context.Context) error { return run(ctx, t.argv[0]) }
		return t, err
	}}
}

func saveMany(format string) func(*env, *dataset, string) contender {
	return func(_ *env, d *dataset, _ string) contender {
		return contender{tool: "drayage", task: func(_ context.Context, r *round) (task, error) {
			file := r.path("images.tar")
			return task{argv: [][]string{r.drayage("save", "--format", format, d.layout(), "-o", file)},
				out: []string{file}, images: len(d.Images),
				check: func(ctx context.Context) (int64, error) {
					if err := run(ctx, r.drayage("verify", file)); err != nil {
						return 0, err
					}
					info, err := os.Stat(file)
					if err != nil {
						return 0, err
					}
					return info.Size(), nil
				}}, nil
		}}
	}
}

// readMany is a command that writes nothing.
func readMany(verb string) func(*env, *dataset, string) contender {
	return func(_ *env, d *dataset, _ string) contender {
		return contender{tool: "drayage", task: func(_ context.Context, r *round) (task, error) {
			return task{argv: [][]string{r.drayage(verb, d.layout())}, images: len(d.Images),
				check: func(context.Context) (int64, error) { return treeSize(d.layout()) }}, nil
		}}
	}
}

func run(ctx context.Context, argv []string) error {
	if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %v: %s", argv[1], err, oneLine(string(out)))
	}
	return nil
}

// sameCost compares the processor's time for each image with that where there are few images.
func sameCost(other string, factor float64) target {
	text := fmt.Sprintf("CPU for each image at most %s that with %d images", times(factor), few)
	return target{text, func(report *Report, r *Result) (string, bool, bool) {
		own, base := r.row("drayage"), report.row(other, "drayage")
		if own == nil || base == nil || !own.measured() || !base.measured() {
			return "not measured", false, false
		}
		each := func(row *Row) time.Duration { return row.cpu() / time.Duration(max(row.images, 1)) }
		ratio := each(own).Seconds() / each(base).Seconds()
		return fmt.Sprintf("%s (%v, %v)", times(ratio), each(own), each(base)), ratio <= factor, true
	}}
}
