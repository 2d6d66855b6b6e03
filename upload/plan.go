package upload

import (
	"context"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/layercache"
	"drayage/internal/pack"
	"drayage/internal/transfer"
	"drayage/registry"
)

// pusher is one run of Push.
type pusher struct {
	opts  Options
	cache *layercache.Cache
	slots chan struct{} // for compressing, which takes processors and memory

	encoders pack.Encoders

	tasks   map[key]*task
	users   map[key][]*tracked
	jobs    []transfer.Job
	repeats []transfer.Job                           // what jobs bring into the same registry already: done after them, by mounting
	first   map[digest.Digest][]*registry.Repository // where jobs bring a blob or layer

	mu      sync.Mutex
	placed  map[digest.Digest]*registry.Repository // where a blob has been pushed already, to mount it from
	packed  map[digest.Digest]v1.Descriptor        // diff ID -> compressed layer
	packing map[digest.Digest]*sync.Mutex          // held while a diff ID is compressed for the first time
}

// key is a blob and the repository it goes to: the unit of work. Of images that disagree about the size of a blob one is
// wrong, and only that one must fail.
type key struct {
	repository string
	blob       digest.Digest
	size       int64
	saved      bool // blob is the diff ID of a layer that is compressed on the way
}

// task is what is done for a key.
type task struct {
	repo  *registry.Repository
	layer *dockerarchive.SavedLayer // nil: the blob goes as it is
}

// source makes a task findable from the job it stands in: the copy engine knows only
// descriptors and sources.
type taskSource struct {
	image.Source
	key key
}

func jobKey(j transfer.Job) key { return j.Source.(taskSource).key }

// tracked is a target on its way.
type tracked struct {
	Result
	missing int
}

func (im *tracked) done(err error) bool {
	im.missing--
	if err != nil && im.Err == nil {
		im.Err = err
	}
	return im.missing == 0
}

// plan lists what has to be in which repository, each once.
func (p *pusher) plan(images []*tracked) {
	p.tasks, p.users, p.first = map[key]*task{}, map[key][]*tracked{}, map[digest.Digest][]*registry.Repository{}
	p.placed, p.packed, p.packing = map[digest.Digest]*registry.Repository{}, map[digest.Digest]v1.Descriptor{}, map[digest.Digest]*sync.Mutex{}
	for _, im := range images {
		if l := im.Target.Image; l != nil {
			for _, d := range l.Travelling() {
				p.add(im, d, l.Source, nil)
			}
			continue
		}
		s := im.Target.Saved
		config := image.Describe(image.DockerConfig, s.Config)
		p.add(im, config, image.MemorySource{Content: map[digest.Digest][]byte{config.Digest: s.Config}}, nil)
		for _, l := range s.Layers {
			p.add(im, v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: l.DiffID, Size: l.Size()}, nil, &l)
		}
	}
}

// add makes im wait for a blob.
func (p *pusher) add(im *tracked, d v1.Descriptor, src image.Source, l *dockerarchive.SavedLayer) {
	k := key{im.Target.Repository.Name(), d.Digest, d.Size, l != nil}
	if p.tasks[k] == nil {
		j := transfer.Job{Blob: d, Source: taskSource{src, k}}
		if p.repeated(d.Digest, im.Target.Repository) {
			p.repeats = append(p.repeats, j)
		} else {
			p.jobs = append(p.jobs, j)
		}
		p.tasks[k] = &task{repo: im.Target.Repository, layer: l}
	}
	if slices.Contains(p.users[k], im) {
		return // a layer that the image has twice
	}
	p.users[k] = append(p.users[k], im)
	im.missing++
}

// repeated reports whether another job brings the blob or layer into the same registry already.
func (p *pusher) repeated(d digest.Digest, repo *registry.Repository) bool {
	if slices.ContainsFunc(p.first[d], repo.SameRegistry) {
		return true
	}
	p.first[d] = append(p.first[d], repo)
	return false
}

func (p *pusher) announce() {
	if p.opts.Planned == nil {
		return
	}
	var all []v1.Descriptor
	for _, j := range slices.Concat(p.jobs, p.repeats) {
		all = append(all, j.Blob)
	}
	p.opts.Planned(all)
}

// do brings one blob into one repository.
func (p *pusher) do(ctx context.Context, j transfer.Job) error {
	t := p.tasks[jobKey(j)]
	var reported func(int64)
	if p.opts.Progress != nil {
		reported = func(n int64) { p.opts.Progress(j.Blob, n) }
	}
	if t.layer != nil {
		return p.layer(ctx, t, reported)
	}
	return p.blob(ctx, t.repo, j.Blob, j.Source, reported)
}

// blob pushes content as it is, or has it mounted from where it has been pushed before.
func (p *pusher) blob(ctx context.Context, repo *registry.Repository, d v1.Descriptor, src image.Source, reported func(int64)) error {
	journal := p.blobJournal(repo, d)
	defer journal.Close()
	opts := registry.PushOptions{From: p.origin(repo, d.Digest), Journal: journal, Progress: reported}
	if err := repo.Pusher().Push(ctx, d, src, opts); err != nil {
		return err
	}
	p.place(repo, d.Digest)
	return nil
}

// origin is the name of another repository of the same registry that has the blob, or, by the word of an earlier run, had it; or empty.
func (p *pusher) origin(repo *registry.Repository, d digest.Digest) string {
	p.mu.Lock()
	from := p.placed[d]
	p.mu.Unlock()
	if from != nil && from.SameRegistry(repo) {
		return from.Path()
	}
	if at := p.cache.Where(repo.Registry(), d); at != repo.Path() {
		return at
	}
	return ""
}

func (p *pusher) place(repo *registry.Repository, d digest.Digest) {
	p.cache.Placed(repo.Registry(), repo.Path(), d)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.placed[d] == nil {
		p.placed[d] = repo
	}
}
