package upload

import (
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/internal/layercache"
	"drayage/registry"
)

// minJournal is the size from which on an upload has a journal. To send less once more takes no longer than
// to ask how far the upload has come.
const minJournal = 1 << 20

// blobJournal is the journal of the upload of a blob. The caller closes it. Content that can be read only
// once has none: if the registry wanted it from the beginning, it would be gone.
func (p *pusher) blobJournal(repo *registry.Repository, d v1.Descriptor) *layercache.Journal {
	if d.Size < minJournal || p.opts.Stream != nil {
		return nil
	}
	return p.cache.BlobJournal(repo.Root(), repo.Path(), d.Digest)
}

// layerJournal is the journal of the upload of a layer that is compressed on the way. The caller closes it.
func (p *pusher) layerJournal(repo *registry.Repository, l *dockerarchive.SavedLayer) *layercache.Journal {
	if l.Size() < minJournal || p.opts.Stream != nil {
		return nil
	}
	return p.cache.LayerJournal(repo.Root(), repo.Path(), l.DiffID)
}
