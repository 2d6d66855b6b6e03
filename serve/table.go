package serve

import (
	"container/list"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Blobs are read, compared and sent in blocks.
const (
	leastBlock = 128 << 10
	mostBlock  = 4 << 20
	mostBlocks = 1 << 17 // of most blobs: larger ones have larger blocks
)

// maxBlob bounds a blob that is served, so that its table fits into memory: a sparse archive may promise any
// size.
const maxBlob = 4 << 40

// maxTables bounds the memory of all tables that are kept. It does for 128 GiB of blobs.
const maxTables = 16 << 20

// code is the authentication code of a block.
type code [16]byte

// coder makes the codes of blocks. It is GMAC with a key of the process: three times as fast as SHA-256, and
// nobody without the key can change a block so that its code stays. No code leaves the process. So all
// messages may have one nonce: what a nonce must not do twice is mask a code that somebody sees.
type coder struct{ aead cipher.AEAD }

func newCoder() coder {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has blocks of the right length
	}
	return coder{aead}
}

func (c coder) code(p []byte) (made code) {
	var nonce [12]byte
	c.aead.Seal(made[:0], nonce[:], nil, p)
	return made
}

// table has the codes of the blocks of one blob. While its pass runs, the codes come one by one.
type table struct {
	desc  v1.Descriptor
	block int64
	codes []code
}

func newTable(d v1.Descriptor) *table {
	t := &table{desc: d, block: blockOf(d.Size)}
	t.codes = make([]code, 0, t.blocks())
	return t
}

// blockOf is how large the blocks of a blob of some size are.
func blockOf(size int64) int64 {
	block := int64(leastBlock)
	for block < mostBlock && size > block*mostBlocks {
		block *= 2
	}
	return block
}

// blocks is how many blocks the blob has. The last one may be short.
func (t *table) blocks() int { return int((t.desc.Size + t.block - 1) / t.block) }

// length is how long a block is.
func (t *table) length(i int) int { return int(min(t.block, t.desc.Size-int64(i)*t.block)) }

// size is about what a table takes.
func (t *table) size() int { return cap(t.codes)*len(code{}) + 512 }

// tables keeps the tables of verified blobs, those that were used last.
type tables struct {
	byDigest map[digest.Digest]*list.Element // of *table
	order    list.List                       // used last: in front
	size     int
}

func (ts *tables) get(d digest.Digest) *table {
	e := ts.byDigest[d]
	if e == nil {
		return nil
	}
	ts.order.MoveToFront(e)
	return e.Value.(*table)
}

func (ts *tables) add(t *table) {
	if ts.byDigest == nil {
		ts.byDigest = map[digest.Digest]*list.Element{}
	}
	if ts.byDigest[t.desc.Digest] != nil {
		return
	}
	ts.byDigest[t.desc.Digest] = ts.order.PushFront(t)
	for ts.size += t.size(); ts.size > maxTables; {
		last := ts.order.Remove(ts.order.Back()).(*table)
		delete(ts.byDigest, last.desc.Digest)
		ts.size -= last.size()
	}
}
