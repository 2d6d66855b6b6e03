package lenient

import (
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"unique"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Shared is a string that very many documents have, such as a media type. All copies of it are one.
func Shared(s string) string { return unique.Make(s).Value() }

// maxDigest is the length of the text of a SHA-512.
const maxDigest = len("sha512:") + 128

// seen are strings that have come. Some come again and again: digests of layers that images share.
// It holds few, and so does not grow. Where a string comes again, the one that is held is used, so that not
// each of very many images has a copy.
type seen struct {
	mu   sync.Mutex
	seed maphash.Seed
	held [1024]string
}

var digests = seen{seed: maphash.MakeSeed()}

func (t *seen) one(s string) string {
	at := maphash.String(t.seed, s) % uint64(len(t.held))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held[at] != s {
		t.held[at] = s
	}
	return t.held[at]
}

// maxPlatforms is how many lists of platforms are held. There are few in the world.
const maxPlatforms = 256

var platforms struct {
	sync.Mutex
	lists map[string][]v1.Platform
}

// Platforms are those of a list. All copies of one list are one, as long as there are not too many. Nobody
// may change it.
func Platforms(list []v1.Platform) []v1.Platform {
	if len(list) == 0 {
		return list
	}
	var key []byte
	for _, p := range list {
		if p.OSFeatures != nil {
			return list
		}
		for _, part := range []string{p.OS, p.Architecture, p.Variant, p.OSVersion} {
			key = append(append(strconv.AppendInt(key, int64(len(part)), 10), ':'), part...)
		}
	}
	platforms.Lock()
	defer platforms.Unlock()
	if held, ok := platforms.lists[string(key)]; ok {
		return held
	}
	if len(key) > 1024 || len(platforms.lists) >= maxPlatforms {
		return list
	}
	if platforms.lists == nil {
		platforms.lists = map[string][]v1.Platform{}
	}
	list = slices.Clip(slices.Clone(list))
	platforms.lists[string(key)] = list
	return list
}

// share makes the parts of a descriptor one with those of others that are the same.
func (d *Descriptor) share() {
	d.MediaType = Shared(d.MediaType)
	if len(d.Digest) <= maxDigest {
		d.Digest = digest.Digest(digests.one(string(d.Digest)))
	}
	if d.Platform != nil {
		d.Platform = &Platforms([]v1.Platform{*d.Platform})[0]
	}
}
