package layercache

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/internal/filelock"
)

const (
	// uploadAge is how long a journal is kept. Registries delete an unfinished upload after a week, or earlier.
	uploadAge   = 7 * 24 * time.Hour
	maxUploads  = 256
	maxLocation = 8 << 10 // more bytes than servers accept in an address
)

// Journal remembers where to resume one upload. It implements registry.Journal. Only its owner can read its
// file, because registries sign such addresses. The file is locked while it is in use: of several processes
// that send the same content, one has the journal and the others remember nothing. The nil Journal remembers
// nothing. A Journal is for one goroutine at a time.
type Journal struct {
	dir, name string
	asked     bool     // whether the lock was tried
	file      *os.File // nil: not asked for, or another process has it
}

// BlobJournal is the journal of the upload of a blob into a repository. The caller closes it.
func (c *Cache) BlobJournal(registry, repository string, blob digest.Digest) *Journal {
	return c.journal(registry, repository, blob.String())
}

// LayerJournal is the journal of the upload of a layer that the push compresses with the cache's method. The
// caller closes it.
func (c *Cache) LayerJournal(registry, repository string, diffID digest.Digest) *Journal {
	if c == nil {
		return nil
	}
	return c.journal(registry, repository, c.name(diffID))
}

func (c *Cache) journal(registry, repository, content string) *Journal {
	if c == nil {
		return nil
	}
	sum := sha256.Sum256([]byte(registry + "\n" + repository + "\n" + content))
	return &Journal{dir: filepath.Join(c.dir, "uploads"), name: hex.EncodeToString(sum[:])}
}

// Location returns the address that this or an earlier process remembered last, or nothing.
func (j *Journal) Location() string {
	if !j.taken() {
		return ""
	}
	info, err := j.file.Stat()
	if err != nil || time.Since(info.ModTime()) > uploadAge {
		return ""
	}
	raw, err := io.ReadAll(io.NewSectionReader(j.file, 0, maxLocation+2))
	if err != nil {
		return ""
	}
	location, whole := strings.CutSuffix(string(raw), "\n")
	if !whole || !isLocation(location) {
		return ""
	}
	return location
}

// isLocation reports whether s can be an address: printable ASCII without spaces.
func isLocation(s string) bool {
	return s != "" && len(s) <= maxLocation && !strings.ContainsFunc(s,
		func(r rune) bool { return r <= ' ' || r > '~' })
}

// Remember keeps the address in place of the one before. It writes in place, because the file holds the lock.
// It does not sync: what a crash leaves of an address has no end and counts as none.
func (j *Journal) Remember(location string) {
	if !j.taken() {
		return
	}
	if !isLocation(location) {
		j.Forget()
		return
	}
	raw := location + "\n"
	if _, err := j.file.WriteAt([]byte(raw), 0); err != nil || j.file.Truncate(int64(len(raw))) != nil {
		j.Forget()
	}
}

// Forget makes Location empty.
func (j *Journal) Forget() {
	if j == nil {
		return
	}
	if _, err := os.Lstat(j.path()); !j.asked && err != nil {
		return // there is nothing to forget
	}
	if j.taken() {
		_ = j.file.Truncate(0) // an address that stays is refused by the registry
	}
}

// Close frees the journal for other processes. What it remembers stays.
func (j *Journal) Close() {
	if j == nil || j.file == nil {
		return
	}
	info, err := j.file.Stat()
	j.file.Close()
	j.file = nil
	if err == nil && info.Size() == 0 {
		os.Remove(j.path())
	}
}

func (j *Journal) path() string { return filepath.Join(j.dir, j.name) }

// taken reports whether this Journal has the file. The first call tries to lock it.
func (j *Journal) taken() bool {
	if j == nil || j.asked {
		return j != nil && j.file != nil
	}
	j.asked = true
	if os.MkdirAll(j.dir, 0o700) != nil {
		return false
	}
	sweep(j.dir)
	f, err := os.OpenFile(j.path(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false
	}
	if filelock.TryLock(f) != nil {
		f.Close()
		return false
	}
	j.file = f
	return true
}

// sweep removes journals that are too old, and the oldest ones if there are too many.
func sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	var infos []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	for i, info := range infos {
		if i >= maxUploads || time.Since(info.ModTime()) > uploadAge {
			os.Remove(filepath.Join(dir, info.Name()))
		}
	}
}
