package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"drayage/internal/durable"
	"drayage/internal/engine"
	"drayage/internal/inventory"
	"drayage/internal/progress"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/stock"
	"drayage/internal/terminal"
	"drayage/registry"
)

const inventoryHelp = `Writes a file that says which blobs a place has, so that only the others need to be
carried there: save --since FILE leaves out what the file lists. SOURCE is a
repository (all its tags, or the one that is given), a registry or a folder of
one that ends in / (all repositories there), a layout, a saved tar, or docker,
the Docker engine here. Several are put together.

The file is text with one entry a line, digests and sizes, so that a person can
read it before it leaves. It holds no names unless --names is given, and no
time: the same state gives the same bytes. Only what is there counts: a registry
is asked for every blob. No layer is read.

EXAMPLES:
   drayage inventory registry.corp/team/app -o far.inv
   drayage inventory registry.corp/team/app:1.2 registry.corp/base -o far.inv
   drayage inventory --from repositories.txt -o far.inv
   drayage inventory registry.corp:5000 -o far.inv
   drayage inventory registry.corp/mirror/ -o far.inv
   drayage inventory images last.tar -o far.inv
   drayage inventory docker -o far.inv
   drayage inventory docker -o - | less`

func inventoryCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "inventory",
		Category:    commandsMove,
		Usage:       "write what a place has, so that only the rest has to travel",
		UsageText:   "drayage inventory SOURCE... -o FILE",
		Description: inventoryHelp,
		Flags: append(append([]cli.Flag{
			outputFlag(""),
			&cli.BoolFlag{Name: "names", Category: groupWhat,
				Usage: "also the names of the images, with their digests"},
			fromFlag(),
			jobsFlag("images", "8"),
			tempDirFlag(),
		}, writeFlags()...), outputFlags()...),
		Action: env.run(call.inventory),
	}
}

func (c call) inventory(ctx context.Context) error {
	s := &stocktaking{call: c}
	s.taker = stock.Taker{Names: c.Bool("names"), Jobs: c.Int("jobs"), Skipped: s.skipped.Add, Looked: s.looked}
	if err := s.parse(); err != nil {
		return err
	}
	out := c.String("output")
	if out == "" {
		return usagef("inventory needs -o FILE, or -o - for standard output")
	}
	done, err := writeInOrder(out, c.stdout, func(w io.Writer) error { return s.take(ctx, w) })
	if !done {
		err = s.intoFile(ctx, out)
	}
	s.screen.Show("")
	if err != nil {
		return fmt.Errorf("inventory: %w", err)
	}
	return s.report(out)
}

// stocktaking is one inventory command.
type stocktaking struct {
	call
	taker   stock.Taker
	specs   []source.Spec
	engines []string             // names of images in the engine; empty for all
	all     []registry.Reference // registries and folders of them: all repositories there
	refs    []registry.Reference
	place   string // that is visited, for the status line
	skipped stock.Skips
	taken   *inventory.Inventory
	size    int64
	mu      sync.Mutex // of shown
	shown   time.Time  // when the status line changed
}

// parse reads the arguments and lists. All of them are read before anything is asked.
func (s *stocktaking) parse() error {
	var local []string
	names := source.Names{Parse: s.repository}
	for _, arg := range s.Args().Slice() {
		of, ofEngine := engine.Named(arg)
		switch {
		case ofEngine:
			s.engines = append(s.engines, of)
		case s.String("registry") == "" && s.several(arg):
		default:
			local = append(local, arg)
		}
	}
	specs, err := s.parseSources(local)
	if err != nil {
		return s.about(err)
	}
	var repositories []string
	for _, spec := range specs {
		if spec.Kind == source.Registry {
			repositories = append(repositories, spec.Text)
		} else {
			s.specs = append(s.specs, spec)
		}
	}
	if err := s.gather(&names, repositories); err != nil {
		return err
	}
	s.refs = names.Refs
	if s.NArg() == 0 && len(s.refs) == 0 {
		return usagef("inventory needs a SOURCE: a repository, a layout, a saved tar, or docker")
	}
	return nil
}

// several reads a SOURCE that means several repositories: a registry, or a folder of one.
func (s *stocktaking) several(arg string) bool {
	folder, is := source.FolderOf(arg)
	if host := source.RegistryOf(arg); host != "" {
		folder, is = registry.Reference{Registry: host}, true
	}
	if is {
		s.all = append(s.all, folder)
	}
	return is
}

// repository reads a name. Without a tag all tags of the repository are meant.
func (s *stocktaking) repository(name string) (registry.Reference, error) {
	ref, err := reference(s.Context, name)
	if wrong := source.RefuseHost(name); wrong != nil && s.String("registry") == "" {
		err = wrong
	}
	if ref.Digest != "" {
		ref.Tag = ""
	} else if !strings.HasSuffix(strings.TrimSpace(name), ":"+ref.Tag) {
		ref.Tag = ""
	}
	return ref, err
}

// intoFile makes the file. It appears when it is whole.
func (s *stocktaking) intoFile(ctx context.Context, path string) error {
	f, err := durable.CreateOutput(path)
	if err != nil {
		return err
	}
	defer f.Abort()
	if err := s.take(ctx, f); err != nil {
		return err
	}
	return f.Commit()
}

// take visits all places and writes what they have.
func (s *stocktaking) take(ctx context.Context, w io.Writer) (err error) {
	for _, visit := range []func(context.Context) error{s.visitEngines, s.visitSets, s.visitRegistries} {
		if err := visit(ctx); err != nil {
			return err
		}
	}
	if s.taken, err = s.taker.Inventory(); err != nil {
		return err
	}
	counted := &countingWriter{w: w}
	if err = s.taken.Write(counted); errors.As(err, new(*inventory.TooLargeError)) {
		err = fmt.Errorf("%w: make several, of some of the repositories each: save --since takes several", err)
	}
	s.size = counted.n
	return err
}

// countingWriter counts what it writes.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (s *stocktaking) visitEngines(ctx context.Context) error {
	if len(s.engines) == 0 {
		return nil
	}
	client, err := engine.Connect(os.Getenv)
	if err != nil {
		return err
	}
	defer client.Close()
	s.place = "docker"
	if err := s.taker.CheckEngine(ctx, client); err != nil {
		return fmt.Errorf("docker: %w", err)
	}
	for _, of := range s.engines {
		if err := s.taker.Engine(ctx, client, of); err != nil {
			return fmt.Errorf("docker: %w", err)
		}
	}
	return nil
}

func (s *stocktaking) visitSets(ctx context.Context) error {
	for _, spec := range s.specs {
		s.place = spec.Text
		if err := s.visitSet(ctx, spec); err != nil {
			return fmt.Errorf("%s: %w", spec.Text, err)
		}
	}
	return nil
}

func (s *stocktaking) visitSet(ctx context.Context, spec source.Spec) error {
	opts := s.sourceOptions()
	opts.Look, opts.Tolerant, opts.Referrers = true, true, true
	set, err := spec.Open(ctx, opts)
	if err != nil {
		return err
	}
	defer set.Close()
	return s.taker.Set(ctx, set)
}

func (s *stocktaking) visitRegistries(ctx context.Context) error {
	if len(s.refs)+len(s.all) == 0 {
		return nil
	}
	client, err := s.newClient(append(hosts(s.all), hosts(s.refs)...), false)
	if err != nil {
		return err
	}
	defer client.Close()
	for _, folder := range s.all {
		below, err := s.taker.Below(ctx, client, folder)
		if err != nil {
			return fmt.Errorf("%s: %w", folder.Registry, err)
		}
		s.refs = append(s.refs, below...)
	}
	if s.place = "registries"; len(s.refs) == 1 {
		s.place = s.refs[0].Name()
	}
	targets, err := s.taker.Targets(ctx, client, s.refs)
	if err == nil {
		err = s.taker.Registry(ctx, targets)
	}
	return err
}

// statusEvery is how often the status line changes.
const statusEvery = 100 * time.Millisecond

// looked shows on a terminal how far the command is. It may be called concurrently.
func (s *stocktaking) looked(done, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	style := progress.Auto.Choose(isTerminal(s.rawErr))
	if s.Bool("quiet") || s.tell.JSON || style != progress.Bar || time.Since(s.shown) < statusEvery {
		return
	}
	s.shown = time.Now()
	line := fmt.Sprintf("inventory: %d of %s in %s", done, terminal.Count(total, "image"), s.place)
	if line = terminal.Line(line); progress.Cells(line) >= width(s.rawErr) {
		line = fmt.Sprintf("%d of %d", done, total)
	}
	s.screen.Show(line)
}

// report says what is in the file.
func (s *stocktaking) report(out string) error {
	skipped, more := s.skipped.Sorted()
	for i, k := range skipped {
		if i == maxShown {
			s.note("note: and %d more are not counted: --json names them", len(skipped)-i+more)
			break
		}
		s.note("note: not counted: %s", k)
	}
	blobs, chains, names, bytes := s.taken.Counts()
	what := fmt.Sprintf("%s (%s)", terminal.Count(blobs, "blob"), terminal.Size(bytes))
	if chains > 0 {
		what += fmt.Sprintf(", %s of unpacked layers", terminal.Count(chains, "chain"))
	}
	if names > 0 {
		what += ", " + terminal.Count(names, "name")
	}
	where := out
	if out == "-" {
		where = "inventory"
	}
	s.note("%s: %s, from %s", where, what, terminal.Count(s.taker.Images(), "image"))
	if blobs+chains == 0 {
		s.note("note: this inventory is empty, and save --since it leaves out nothing; a folder of a registry " +
			"ends in a slash, as registry.corp/mirror/")
	}
	doc := report.Document{Output: out, OutputBytes: s.size, Inventory: &report.Inventory{
		Blobs: report.Blobs{BlobCount: blobs, SizeBytes: bytes}, ChainCount: chains, NameCount: names,
		ImageCount: s.taker.Images(), SkippedCount: len(skipped) + more,
	}}
	for _, k := range skipped {
		doc.Inventory.Skipped = append(doc.Inventory.Skipped, report.Skipped{Image: k.Image, Reason: k.Why})
	}
	return s.result(doc, nil)
}
