//go:build linux

// Package flat measures what each command costs for each image, with few images and with many. [Run] prints
// a table. The processor's time counts, because it is the same on a machine that does other things too.
package flat

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Options is what Run measures.
type Options struct {
	Binary, Self string // drayage, and the program that calls [Meter] when its first argument is meter
	Dir          string // for everything that is written
	Sizes        []int
	Shapes       []Shape
	Only         *regexp.Regexp // of the verbs that are printed
	Hold         bool           // print the commands and wait, for trying them by hand
	Out          io.Writer
}

// verb is a command, and what it leaves for others.
type verb struct {
	name string
	argv []string
	make bool // others read what it writes, so it runs in any case
}

// world is where one number of images of one shape is tried.
type world struct {
	*registry
	dir   string
	names []string
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// serveAfter is the last verb that makes what serve is tried with.
const serveAfter = "save oci"

// verbs are in an order in which each finds what it needs.
func (w *world) verbs(shape Shape) (all []verb) {
	add := func(name string, argv ...string) { all = append(all, verb{name, argv, false}) }
	keep := func(name string, argv ...string) { all = append(all, verb{name, argv, true}) }
	l, o, d := w.path("layout"), w.path("o.tar"), w.path("d.tar")
	list, one := w.path("list"), "oci:"+w.path("layout")+":"+w.host()+"/"+w.names[len(w.names)/2]
	fetch := []string{"fetch", "--from", list, "--platform", "all", "-o", l}
	if shape == Signed {
		fetch = append(fetch, "--referrers")
	}
	keep("fetch", fetch...)
	add("fetch again", fetch...)
	keep("save docker", "save", "--format", "docker", "--platform", "linux/amd64", l, "-o", d)
	keep("save oci", "save", "--format", "oci", l, "-o", o, "--platform", "all")
	add("save oci:DIR", "save", l, "-o", "oci:"+w.path("second"), "--platform", "all")
	add("push layout", "push", l, w.host()+"/layout/")
	add("push layout again", "push", l, w.host()+"/layout/")
	add("push oci tar", "push", o, w.host()+"/ocitar/")
	add("push docker tar", "push", d, w.host()+"/dockertar/")
	add("copy", "copy", "--from", list, w.host()+"/copy/")
	for _, verb := range []string{"verify", "ls", "inspect", "digest"} {
		add(verb+" layout", verb, l)
		add(verb+" oci tar", verb, o)
		if verb != "digest" { // a docker tar has none
			add(verb+" docker tar", verb, d)
		}
	}
	add("inventory", "inventory", l, "-o", w.path("inventory"))
	add("inventory oci tar", "inventory", o, "-o", w.path("inventory.2"))
	add("record", "inspect", l, "--record", w.path("record.json"))
	add("digest one", "digest", one)
	add("manifest one", "manifest", one)
	add("config one", "config", one, "--platform", "linux/amd64")
	add("inspect one", "inspect", one)
	add("tag one", "tag", one, "example.com/new:1")
	add("rm one", "rm", "oci:"+l+":example.com/new:1")
	add("gc", "gc", l)
	add("rm half", "rm", "oci:"+l+":*0:1")
	add("gc half", "gc", l)
	return all
}

// Run measures and prints.
func Run(ctx context.Context, o Options) error {
	for _, shape := range o.Shapes {
		figures := map[string]map[int]Usage{}
		var order []string
		for _, n := range o.sizes() {
			verbs, err := o.size(ctx, shape, n, figures)
			if err != nil {
				return fmt.Errorf("%s, %d images: %w", shape, n, err)
			}
			order = verbs
		}
		o.print(shape, order, figures)
	}
	return nil
}

func (o Options) sizes() []int {
	if o.Hold {
		return o.Sizes
	}
	return append([]int{1}, o.Sizes...)
}

// list writes the names of all images into a file for --from.
func (w *world) list() error {
	var list strings.Builder
	for _, name := range w.names {
		fmt.Fprintf(&list, "%s/%s\n", w.host(), name)
	}
	return os.WriteFile(w.path("list"), []byte(list.String()), 0o600)
}

// size measures with n images, and returns the verbs in their order.
func (o Options) size(ctx context.Context, shape Shape, n int,
	figures map[string]map[int]Usage) (order []string, _ error) {
	dir, err := os.MkdirTemp(o.Dir, fmt.Sprintf("flat-%s-%d-", shape, n))
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w := &world{registry: newRegistry(), dir: dir}
	defer w.Close()
	w.names = fill(w.registry, shape, n)
	if err := w.list(); err != nil {
		return nil, err
	}
	enter := func(name string, u Usage) {
		if figures[name] == nil {
			figures[name] = map[int]Usage{}
		}
		figures[name][n] = u
		order = append(order, name)
	}
	for _, v := range w.verbs(shape) {
		if o.Hold {
			fmt.Fprintln(o.Out, strings.Join(v.argv, " "))
		}
		if !v.make && (o.Hold || !o.Only.MatchString(v.name)) {
			continue
		}
		u, err := measure(ctx, o.Self, append([]string{o.Binary}, v.argv...))
		if err != nil {
			fmt.Fprintf(o.Out, "%s: %v\n", v.name, err)
			if v.make {
				return nil, err
			}
			continue
		}
		enter(v.name, u)
		if v.name == serveAfter && !o.Hold {
			if err := o.serve(ctx, w, enter); err != nil {
				return nil, err
			}
		}
	}
	if o.Hold {
		<-ctx.Done()
	}
	return order, ctx.Err()
}

// print prints the microseconds of the processor for each image beyond the first, or for each request, the
// peak memory, and how the last size compares with the ones before.
func (o Options) print(shape Shape, order []string, figures map[string]map[int]Usage) {
	fmt.Fprintf(o.Out, "\n%-28s", shape)
	for _, n := range o.Sizes {
		fmt.Fprintf(o.Out, " | %8d: us   ms wall  MiB", n)
	}
	fmt.Fprintln(o.Out, " | last to first, to the one before")
	for _, name := range order {
		fmt.Fprintf(o.Out, "%-28s", name)
		base := figures[name][1]
		each := func(n int) float64 {
			if u := figures[name][n]; u.Each > 0 {
				return float64(u.CPU.Microseconds()) / float64(u.Each)
			}
			return float64((figures[name][n].CPU - base.CPU).Microseconds()) / float64(n-1)
		}
		for _, n := range o.Sizes {
			u := figures[name][n]
			fmt.Fprintf(o.Out, " | %13.0f %9d %4d", each(n), u.Wall.Milliseconds(), u.Peak>>20)
		}
		last := len(o.Sizes) - 1
		fmt.Fprintf(o.Out, " | %5.2f", each(o.Sizes[last])/each(o.Sizes[0]))
		if last > 0 {
			fmt.Fprintf(o.Out, " %5.2f", each(o.Sizes[last])/each(o.Sizes[last-1]))
		}
		fmt.Fprintln(o.Out)
	}
}
