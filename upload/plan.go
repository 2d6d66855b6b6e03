package upload

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

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
	large chan struct{} // for unpacking xz meanwhile, whose dictionaries are large

	encoders  pack.Encoders
	finishing errgroup.Group // stores manifests beside the transfer of other images' blobs
	telling   sync.Mutex     // held while Options.Finished is called

	plan  *transfer.Plan[key, *Result]
	tasks map[key]*task
	first map[digest.Digest][]*registry.Repository // where jobs bring a blob or layer
	saved map[string]savedImages                   // by the name of the repository that they go to

	mu      sync.Mutex
	placed  map[digest.Digest]*registry.Repository // where a blob has been pushed already, to mount it from
	packed  map[digest.Digest]*v1.Descriptor       // diff ID -> compressed layer, in any repository
	here    map[layerAt]*v1.Descriptor             // what a layer is in a repository
	packing map[digest.Digest]*sync.Mutex          // held while a diff ID is compressed for the first time
	turns   map[key]chan struct{}                  // taken while a manifest is stored that belongs to a subject

	asked     map[string]*claims // by the name of the repository
	disproved map[pairing]bool
	refused   map[string]bool // registries that are not asked any more, by their root
}

// layerAt is a layer in a repository.
type layerAt struct {
	repository string
	layer      digest.Digest // the diff ID
}

// key is a blob and the repository that it goes to. Images that disagree about the size of a blob do not
// share it: one of them is wrong, and only that one must fail.
type key struct {
	repository string
	blob       digest.Digest
	size       int64
	saved      bool // blob is the diff ID of a layer of a docker tar
}

type job = transfer.Job[key]

// key is that of a blob of a target, which is the one with number i in [Target.wanted].
func (t Target) key(i int, d v1.Descriptor) key {
	return key{t.Repository.Name(), d.Digest, d.Size, t.Saved != nil && i > 0}
}

// task is what is done for a key.
type task struct {
	repo     *registry.Repository
	from     *registry.Repository      // where the image is already; may be nil
	layer    *dockerarchive.SavedLayer // nil: the blob goes as it is
	repeated bool                      // another job brings it into the same registry: it is mounted after that
	gathered bool                      // it was left out of the image, so that no stream brings it
}

// newPusher returns a pusher of targets. The caller calls plans with some of them, or all.
func newPusher(targets []Result, opts Options) *pusher {
	p := &pusher{
		opts:    opts,
		cache:   layercache.Open(opts.CacheDir, opts.Compression.method()),
		slots:   make(chan struct{}, opts.Compression.format().slots),
		large:   make(chan struct{}, 1),
		first:   map[digest.Digest][]*registry.Repository{},
		placed:  map[digest.Digest]*registry.Repository{},
		packed:  map[digest.Digest]*v1.Descriptor{},
		packing: map[digest.Digest]*sync.Mutex{},
		turns:   map[key]chan struct{}{},
		saved:   map[string]savedImages{},
		here:    map[layerAt]*v1.Descriptor{},
		asked:   map[string]*claims{},

		disproved: map[pairing]bool{},
		refused:   map[string]bool{},
	}
	p.note(targets)
	p.finishing.SetLimit(transfer.DefaultJobs)
	return p
}

// note notes which images of docker tars go to each repository.
func (p *pusher) note(targets []Result) {
	for _, r := range targets {
		if r.Target.Saved != nil {
			name := r.Target.Repository.Name()
			p.saved[name] = append(p.saved[name], r.Target)
		}
	}
}

// plans makes the plan of targets, in place of the one before. All jobs of that have been done.
func (p *pusher) plans(targets []Result) *pusher {
	p.plan, p.tasks = transfer.NewPlan[key, *Result](), map[key]*task{}
	for i := range targets {
		p.enter(&targets[i])
	}
	return p
}

// planned lists the blobs of a plan of all targets.
func planned(targets []Result) (all []v1.Descriptor) {
	seen, most := map[key]bool{}, 0
	for _, r := range targets {
		if r.Target.Image != nil {
			most += len(r.Target.Image.Blobs)
		}
	}
	all = make([]v1.Descriptor, 0, most) // there may be very many, and it grows by copies
	for _, r := range targets {
		for i, d := range r.Target.wanted() {
			if k := r.Target.key(i, d); !seen[k] {
				seen[k] = true
				all = append(all, d)
			}
		}
	}
	return all
}

// enter plans what has to be in the repository of a target.
func (p *pusher) enter(r *Result) {
	p.plan.Enter(r)
	if im := r.Target.Image; im != nil {
		for _, d := range im.Travelling() {
			t := p.add(r, job{Blob: d, Source: im.Source}, nil)
			if at, ok := r.Target.found[d.Digest]; ok {
				if t.gathered = true; at.repo != nil {
					p.knows(at.repo, d.Digest)
				}
			}
		}
		for _, a := range im.Absent {
			if a.Reason == image.LeftOut { // the registry has it, or the image would be broken there
				p.add(r, job{Blob: a.Descriptor, Source: leftOut{a}}, nil).gathered = true
			}
		}
		return
	}
	s, blobs := r.Target.Saved, r.Target.Blobs()
	src := &image.MemorySource{Content: map[digest.Digest][]byte{blobs[0].Digest: s.Config}}
	p.add(r, job{Blob: blobs[0], Source: src}, nil)
	for i, l := range s.Layers {
		p.add(r, job{Blob: blobs[1+i]}, &l)
	}
}

// leftOut is the source of a part that only the destination has.
type leftOut struct{ image.Absent }

func (s leftOut) Open(context.Context, v1.Descriptor, int64, int64) (io.ReadCloser, error) {
	return nil, s.Absent
}

func (p *pusher) add(r *Result, j job, l *dockerarchive.SavedLayer) *task {
	repo := r.Target.Repository
	j.Key = key{repo.Name(), j.Blob.Digest, j.Blob.Size, l != nil}
	if p.tasks[j.Key] == nil {
		p.tasks[j.Key] = &task{
			repo: repo, from: r.Target.From, layer: l, repeated: p.repeated(j.Blob.Digest, repo),
		}
	}
	p.plan.Add(r, j)
	return p.tasks[j.Key]
}

// repeated reports whether another job brings the blob or layer into the same registry already.
func (p *pusher) repeated(d digest.Digest, repo *registry.Repository) bool {
	if slices.ContainsFunc(p.first[d], repo.SameRegistry) {
		return true
	}
	p.first[d] = append(p.first[d], repo)
	return false
}

// do brings one blob into one repository.
func (p *pusher) do(ctx context.Context, j job) error {
	t, reported := p.tasks[j.Key], p.reporting(j)
	if t.layer != nil {
		l := layerPush{p, t.repo, t.layer, reported}
		return l.push(ctx)
	}
	if t.from != nil && t.from.SameRegistry(t.repo) {
		p.knows(t.from, j.Blob.Digest)
	}
	return p.blob(ctx, t.repo, j, reported)
}

// reporting returns what is told how many bytes of a blob have been dealt with.
func (p *pusher) reporting(j job) func(int64) {
	return func(n int64) {
		if p.opts.Progress != nil {
			p.opts.Progress(j.Blob, n)
		}
	}
}

// blob pushes content as it is, or has it mounted from where it has been pushed before. Of a source that is
// slow for each request, it reads several parts at once.
func (p *pusher) blob(ctx context.Context, repo *registry.Repository, j job, reported func(int64)) error {
	journal := p.journal(repo, j.Blob.Digest, j.Blob.Size, p.cache.BlobJournal)
	defer journal.Close()
	opts := registry.PushOptions{From: p.origin(repo, j.Blob.Digest), Journal: journal, Progress: reported}
	src := transfer.ReadAhead(j.Source)
	err := repo.Pusher().Push(ctx, j.Blob, src, opts)
	if _, remote := image.AsParallel(j.Source); remote && errors.Is(err, image.ErrIntegrity) {
		err = repo.Pusher().Push(ctx, j.Blob, src, opts) // it may have been damaged on the way, or at a mirror
	}
	if err != nil {
		return err
	}
	p.place(repo, j.Blob.Digest)
	return nil
}

// origin returns the name of another repository of the same registry that has the blob, or had it when an
// earlier run ended. It is empty if none is known.
func (p *pusher) origin(repo *registry.Repository, d digest.Digest) string {
	p.mu.Lock()
	from := p.placed[d]
	p.mu.Unlock()
	if from != nil && from.SameRegistry(repo) && from.Path() != repo.Path() {
		return from.Path()
	}
	if at := p.cache.Where(repo.Registry(), d); at != repo.Path() {
		return at
	}
	return ""
}

func (p *pusher) place(repo *registry.Repository, d digest.Digest) {
	p.cache.Placed(repo.Registry(), repo.Path(), d)
	p.knows(repo, d)
}

// knows notes that a repository has a blob.
func (p *pusher) knows(repo *registry.Repository, d digest.Digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.placed[d] == nil {
		p.placed[d] = repo
	}
}

// minJournal is the size from which on an upload has a journal. To send less once more takes no longer than
// to ask how far the upload has come.
const minJournal = 1 << 20

// journalFunc is Cache.BlobJournal or Cache.LayerJournal.
type journalFunc = func(registry, repository string, content digest.Digest) *layercache.Journal

// journal returns what open returns for the upload of content, or nil. The caller closes the journal. Content
// that can be read only once has none: if the registry wanted it from the beginning, it would be gone.
func (p *pusher) journal(
	repo *registry.Repository, content digest.Digest, size int64, open journalFunc,
) *layercache.Journal {
	if size < minJournal || p.opts.Stream != nil {
		return nil
	}
	return open(repo.Root(), repo.Path(), content)
}
