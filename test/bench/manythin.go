//go:build linux

package bench

import (
	"context"
	"os"
)

// thinWork is a command about an archive of very many images whose layers all stay behind. before is not
// measured.
type thinWork func(r *round, d *dataset, addr string) (before [][]string, argv, out []string)

func (r *round) inventory(d *dataset) []string {
	return r.drayage("inventory", d.layout(), "-o", r.path("far.inv"))
}

func (r *round) since(d *dataset) []string {
	return r.drayage("save", d.layout(), "--since", r.path("far.inv"), "-o", r.path("thin.tar"))
}

func inventoryOf(r *round, d *dataset, _ string) (before [][]string, argv, out []string) {
	return nil, r.inventory(d), []string{r.path("far.inv")}
}

func sinceOf(r *round, d *dataset, _ string) (before [][]string, argv, out []string) {
	return [][]string{r.inventory(d)}, r.since(d), []string{r.path("thin.tar")}
}

func verifyThin(r *round, d *dataset, _ string) (before [][]string, argv, out []string) {
	return [][]string{r.inventory(d), r.since(d)},
		r.drayage("verify", r.path("thin.tar"), "--base", d.layout()), nil
}

func restoreThin(r *round, d *dataset, _ string) (before [][]string, argv, out []string) {
	file := r.path("whole.tar")
	return [][]string{r.inventory(d), r.since(d)},
		r.drayage("save", r.path("thin.tar"), "--base", d.layout(), "-o", file), []string{file}
}

// pushThin goes to the registry that has the images.
func pushThin(r *round, d *dataset, addr string) (before [][]string, argv, out []string) {
	return [][]string{r.inventory(d), r.since(d)}, r.drayage("push", r.path("thin.tar"), addr+"/"), nil
}

func thinMany(work thinWork) func(*env, *dataset, string) contender {
	return func(_ *env, d *dataset, addr string) contender {
		return contender{tool: "drayage", task: func(_ context.Context, r *round) (task, error) {
			before, argv, out := work(r, d, addr)
			return task{argv: [][]string{argv}, out: out, images: len(d.Images),
				before: func(ctx context.Context) error { return r.runAll(ctx, before) },
				check: func(context.Context) (size int64, err error) {
					for _, file := range append(out, r.path("far.inv")) {
						if info, err := os.Stat(file); err == nil {
							return info.Size(), nil
						}
					}
					return 0, errAbsent
				}}, nil
		}}
	}
}
