package upload

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Sharing is what a process knows of others that push other shards of the same images into the same registry.
// With it, [Push] sends no blob that another shard has too and brings first. The processes do not talk to
// each other, but from the same images all of them conclude the same: a blob that several shards have belongs
// to one of them, and goes into the repository of the first image there that has the blob. That shard sends
// the blob. The others do all else before, and then take the blob over from that repository. If it does not
// come there in time, they bring it there themselves.
//
// Layers of docker tars are no part of it: what they become shows only when they are sent. A Sharing is for
// one goroutine at a time.
type Sharing struct {
	// Wait is how long nothing may come from another shard, in the end, before its process counts as missing,
	// besides the time that a blob takes. 0 means a minute, and less than that not at all.
	Wait time.Duration

	// Waiting is told how many blobs another shard has still to bring when all else is done. Missing is told how
	// many it has not brought in time: they are sent all the same. Both may be nil, and must return at once.
	Waiting, Missing func(shard, blobs int)

	own   int
	blobs map[digest.Digest]*owners
}

// NewSharing returns what a process knows that pushes one shard. Enter the targets of that shard first, and
// then [Sharing.See] the images of all others.
func NewSharing(shard int) *Sharing {
	return &Sharing{own: shard, blobs: map[digest.Digest]*owners{}}
}

// owners are the shards that have a blob, as far as the own one has it.
type owners struct {
	shards []int // each once
	home   home
	late   bool // the blob belongs to referrers only, which follow all images
}

// home is where a blob goes first, and which shard brings it there.
type home struct {
	shard      int
	repository string // its path
	rank       uint64
}

// Enter adds the targets of the own shard, in the order in which all processes meet their images.
func (s *Sharing) Enter(targets []Target) {
	for _, t := range targets {
		if t.Image == nil {
			continue
		}
		for i, blobs := range partsOf(t) {
			for _, d := range blobs {
				if s.blobs[d.Digest] == nil {
					s.blobs[d.Digest] = &owners{late: i > 0}
				}
				s.see(s.own, t.Repository.Path(), d.Digest, i > 0)
			}
		}
	}
}

// partsOf lists the blobs of an image, and those of its referrers.
func partsOf(t Target) [2][]v1.Descriptor {
	parts := [2][]v1.Descriptor{t.Image.Travelling()}
	for _, r := range t.Image.Referrers {
		parts[1] = append(parts[1], r.Travelling()...)
	}
	return parts
}

// See adds what an image of another shard consists of, and the path of the repository that it goes to. late
// says that the blobs are of its referrers. Nothing is kept of blobs that the own shard does not have.
func (s *Sharing) See(shard int, repository string, blobs []v1.Descriptor, late bool) {
	for _, d := range blobs {
		s.see(shard, repository, d.Digest, late)
	}
}

func (s *Sharing) see(shard int, repository string, d digest.Digest, late bool) {
	o := s.blobs[d]
	if o == nil || late && !o.late {
		return // what belongs to an image as well comes with that
	}
	if o.late && !late {
		*o = owners{}
	}
	if slices.Contains(o.shards, shard) {
		return
	}
	o.shards = append(o.shards, shard)
	if r := rank(d, shard); len(o.shards) == 1 || r > o.home.rank {
		o.home = home{shard, repository, r}
	}
}

// rank decides to which of several shards a blob belongs. All of them get about as much.
func rank(d digest.Digest, shard int) uint64 {
	h := fnv.New64a()
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(shard)))
	h.Write([]byte(d))
	return h.Sum64()
}

// of returns the owners of a blob, or nil if no other shard has it.
func (s *Sharing) of(d digest.Digest) *owners {
	if s == nil || s.blobs[d] == nil || len(s.blobs[d].shards) < 2 {
		return nil
	}
	return s.blobs[d]
}

// before lists the shards that would bring a blob before the own one if the shard of its home does not.
func (s *Sharing) before(d digest.Digest) (all []int) {
	o, own := s.blobs[d], rank(d, s.own)
	for _, shard := range o.shards {
		if shard != o.home.shard && rank(d, shard) > own {
			all = append(all, shard)
		}
	}
	return all
}

// perByte is how long another process may take for each byte of a blob: 10 MB/s.
const perByte = 100 * time.Nanosecond

// patience is how long a blob of some size may take.
func (s *Sharing) patience(size int64) time.Duration {
	if s.Wait < 0 {
		return 0
	}
	return cmp.Or(s.Wait, time.Minute) + time.Duration(size)*perByte
}
