package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/fetch"
	"drayage/image"
	"drayage/internal/cut"
	"drayage/internal/makepatch"
	"drayage/internal/pack"
	"drayage/internal/record"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/tally"
	"drayage/internal/terminal"
	"drayage/registry"
)

const saveHelp = `Writes images into one tar file that docker load, podman load and ctr images import take.
Layers that images share are in it once. The file appears under its name only when it is complete; the same
images give the same bytes. With -o - it goes to standard output.

--format docker is what docker save wrote up to version 24: every engine loads it, and image IDs stay.
--format oci holds the registry's own bytes, so that digests stay too: Docker since 20.10, podman,
containerd and skopeo take it, and push gives the digest that the image was fetched with.

The end of FILE compresses: .tar.gz, .tar.zst and the like. -o oci-archive:FILE is --format oci,
-o docker-archive:FILE is --format docker, and -o oci:DIR adds the images to a layout directory.

EXAMPLES:
   drayage save images -o all.tar                  every image in the layout
   drayage save oci:images:alpine:3.20 -o a.tar    one of them
   drayage save alpine:3.20 -o alpine.tar          straight from the registry
   drayage save alpine:3.20 -o a.tar --format oci --platform all
   drayage save alpine:3.20 -o a.tar --tag registry.corp/alpine:3.20
   drayage save images -o x.tar --volume-size fat32 --parity 2 --sign ship.key
   drayage save images -o all.tar --dry-run        how much would it be?
   drayage save alpine.tar -o oci:images           into a layout directory
   drayage save alpine:3.20 -o - | ssh host docker load
   drayage save images -o all.tar --record all.html`

func saveCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "save",
		Category:    commandsMove,
		Usage:       "save images from a layout or a registry as a tar for docker load",
		UsageText:   "drayage save SOURCE... -o FILE|-|oci:DIR",
		Description: saveHelp,
		Flags: append(append([]cli.Flag{
			outputsFlag(),
			&cli.StringFlag{Name: "format", Category: groupOutput, Value: string(dockerarchive.Docker),
				Usage: "`docker|oci`: format of the tar; oci is smaller and keeps manifest digests"},
			platformFlag("for `OS/ARCH`, such as linux/arm64/v8 or windows/amd64:10.0.17763; " +
				"--format oci also takes several, or all; without it for linux on this machine's architecture"),
			&cli.BoolFlag{Name: "referrers", Category: groupWhat,
				Usage: "with --format oci: also the referrers of the images: signatures, attestations, SBOMs"},
			&cli.StringFlag{Name: "compress", Category: groupOutput,
				Usage: "`gzip|zstd|none`: compress the whole tar; gzip loads in every Docker, " +
					"zstd is faster and smaller and loads in Docker since 23.0", DefaultText: "by the end of FILE"},
			&cli.StringSliceFlag{Name: "tag", Category: groupOutput,
				Usage: "a single image gets `NAME:TAG` in the tar instead of the names it has"},
			checksumFlag(), volumeSizeFlag(), onlyFlag(), changeMediaFlag(), parityFlag(),
			recordFlag(recordUsage),
			keyFlag(),
			volumesFlag(),
			foreignFlag(),
			moveDryRunFlag(),
			jobsFlag("layers", "docker: processors + 1, at least 3; oci: 8, and 16 more of small ones"),
			tempDirFlag(),
		}, append(append(crossingFlags(), signFlags()...), registryFlags()...)...),
			outputFlags(progressFlag())...),
		Action: env.run(call.save),
	}
}

func (c call) save(ctx context.Context) error {
	s, err := c.newSaver()
	if err != nil {
		return err
	}
	defer s.close()
	if s.again == nil {
		if s.signer, err = c.signing(ctx, s.out); err != nil {
			return err
		}
	}
	if err := s.open(ctx, c.Args().Slice()); err != nil {
		if errors.As(err, new(*nothingWritten)) {
			return fmt.Errorf("save: %w", err)
		}
		return c.about(err)
	}
	if len(s.names) > 0 {
		if s.images, err = source.Rename(s.images, s.names); err != nil {
			return err
		}
	}
	if err := s.cross(ctx); err != nil {
		return fmt.Errorf("save %s: %w", s.out.Path, s.keptPatches(err))
	}
	if c.Bool("dry-run") {
		return s.forecast(ctx)
	}
	if s.compress == pack.Zstd {
		c.note("note: docker load takes zstd since Docker 23.0; --compress gzip is for older ones")
	}
	if s.out.Form == source.LayoutDir {
		return s.intoLayout(ctx)
	}
	err = s.write(ctx, s.out.Path)
	if err == nil {
		err = errors.Join(s.record.Commit(), s.dropPatches())
	}
	if err != nil {
		return fmt.Errorf("save %s: %w", s.out.Path, s.brokenOff(s.keptPatches(err)))
	}
	return s.report(s.out.Path)
}

// newSaver reads the flags.
func (c call) newSaver() (*saver, error) {
	if c.NArg() == 0 {
		return nil, usagef("save needs a SOURCE: a layout directory or an image name")
	}
	out, format, err := c.tarOutput()
	if err != nil {
		return nil, err
	}
	whole := format.Whole()
	switch {
	case c.given("referrers") && c.Bool("referrers") && !whole:
		return nil, usagef("--referrers needs --format oci: a docker tar has no room for them")
	case out.Path == "-" && isTerminal(c.rawOut) && !c.Bool("dry-run"):
		return nil, usagef("a tar is not for a terminal: give -o FILE, or send the output somewhere")
	}
	chosen, all, err := c.platforms()
	if err != nil {
		return nil, err
	}
	if !whole && (all || len(chosen) > 1) {
		return nil, usagef("a docker tar holds one platform under a name: give one --platform, or --format oci")
	}
	names, err := c.tags(out.Name)
	if err != nil {
		return nil, err
	}
	compress, err := c.compression(out)
	if err != nil {
		return nil, err
	}
	x, err := c.newCrossing(out, format)
	if err != nil {
		return nil, err
	}
	s := &saver{
		call: c, crossing: x, out: out, format: format, compress: compress, names: names,
		sel: image.Selection{All: all, Platforms: chosen},
	}
	if s.again, err = c.redo(out); err != nil || s.again != nil {
		return s, err
	}
	if s.cuts, err = c.cutting(out); err != nil {
		return nil, err
	}
	if err := cmp.Or(c.checkMedia(s.cuts), c.checkChecksum(out)); err != nil {
		return nil, err
	}
	s.record, err = record.Create(c.String("record"), out.Path)
	return s, err
}

// saver gathers the images of one save command.
type saver struct {
	call
	crossing
	client   *registry.Client // nil until a registry is needed
	out      source.Output
	format   dockerarchive.Format
	compress pack.Kind
	sel      image.Selection
	images   []*image.Image // in the order of the tar
	pulled   []fetch.Result // those of images that come from a registry
	old      []fetch.Result // in a dry run: images in schema 1
	wire     func() int64   // bytes of blobs that have come from registries; nil: there are none
	closes   []func() error
	noted    bool     // the user knows the default platform
	loadable bool     // engines find an image in it
	names    []string // given with --tag
	pinned   []string // names with a digest
	digests  bool     // an image has the digest that it has in a registry
	sum      tally.Sum
	kept     string // the file that another run goes on with
	told     bool   // the error says what is kept
	stay     leftovers
	held     *fetch.Held // what the layout has that images go into; or nil
	record   *record.Output
	signer   signer
	cuts     *cut.Options // or nil: it is in one piece
	sources  []source.Spec
	journal  *makepatch.Journal  // of patches; or nil
	outcomes []makepatch.Outcome // what has become of the layers that are worth a patch
	patching time.Duration       // what making patches has taken
	volumes  inVolumes           // what has been written of these
	again    *cut.Again          // volumes that are made again; or nil
}

// referrers reports whether referrers travel too. A docker tar has no room for them, whatever settings say.
func (s *saver) referrers() bool { return (s.Bool("referrers") || s.all) && s.format.Whole() }

func (s *saver) close() {
	s.record.Abort()
	if s.again != nil {
		s.again.Abort()
	}
	for _, f := range slices.Backward(s.closes) {
		f()
	}
}

func (s *saver) report(out string) error {
	if s.again != nil {
		return s.reportRemade(out)
	}
	if out == "-" {
		s.saidRecord(s.record)
		return nil
	}
	s.sum.Elapsed += s.patching
	doc := report.Document{Output: out, Images: []report.Image{}, Transfer: transferred(s.sum),
		RecordFiles: s.record.Paths()}
	cuts := s.written(&doc)
	for _, im := range s.images {
		doc.Images = append(doc.Images, describeSaved(im, im.Names))
		for _, r := range im.Referrers {
			doc.Images = append(doc.Images, describeSaved(r, im.NamesOf(r)))
		}
	}
	came := ""
	if s.wire != nil {
		came = ", " + terminal.Size(s.sum.Moved) + " transferred"
	}
	s.note("%s: %s%s, %s%s, in %s", out, terminal.Size(doc.OutputBytes), cuts, imageCount(len(s.images),
		len(doc.Images)-len(s.images)), came, s.sum.Elapsed.Round(10*time.Millisecond))
	s.noteLeftOut(&doc)
	s.saidRecord(s.record)
	s.noteSigned(out)
	switch {
	case s.wanted != nil:
		s.note("push it together with the archive that lacks these blobs:\n"+
			"  drayage push ARCHIVE DEST --base %s", terminal.ShellWord(s.opened(out)))
	case s.loadable:
		s.noteLoad(out)
	default:
		s.note("it holds no container image: engines load nothing from it, push takes it to a registry")
	}
	return s.result(doc, nil)
}
