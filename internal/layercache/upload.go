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
	// uploadAge is how long an upload is remembered. Registries throw away what is left of one after a week, or earlier.
	uploadAge  = 7 * 24 * time.Hour
	maxUploads = 256
	// maxLocation is more than any address has that a server takes.
	maxLocation = 8 << 10
)

// Upload remembers where one upload goes on. The file that it is in can be read by its owner only, because registries sign such addresses, and is locked
// while it is in use: of processes that send the same, one remembers it, and the others nothing. The nil Upload remembers nothing. An Upload is used
// by one goroutine at a time.
type Upload struct {
	dir, name string
	asked     bool
	file      *os.File // nil: not asked for yet, or another has it
}

// BlobUpload is the memory of the upload of a blob into a repository. The caller closes it.
func (c *Cache) BlobUpload(registry, repository string, blob digest.Digest) *Upload {
	return c.upload(registry, repository, blob.String())
}

// LayerUpload is that of a layer which is compressed on the way, as the cache's method does it.
func (c *Cache) LayerUpload(registry, repository string, diffID digest.Digest) *Upload {
	if c == nil {
		return nil
	}
	return c.upload(registry, repository, c.name(diffID))
}

func (c *Cache) upload(registry, repository, content string) *Upload {
	if c == nil {
		return nil
	}
	sum := sha256.Sum256([]byte(registry + "\n" + repository + "\n" + content))
	return &Upload{dir: filepath.Join(c.dir, "uploads"), name: hex.EncodeToString(sum[:])}
}

// Location is the address that was remembered last, by an earlier process too, or empty.
func (u *Upload) Location() string {
	if !u.taken() {
		return ""
	}
	info, err := u.file.Stat()
	if err != nil || time.Since(info.ModTime()) > uploadAge {
		return ""
	}
	raw, err := io.ReadAll(io.NewSectionReader(u.file, 0, maxLocation+2))
	if err != nil {
		return ""
	}
	location, whole := strings.CutSuffix(string(raw), "\n")
	if !whole || !isLocation(location) {
		return ""
	}
	return location
}

// isLocation reports whether an address has nothing in it that no address has.
func isLocation(s string) bool {
	return s != "" && len(s) <= maxLocation && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Remember keeps the address in place of what was remembered before. It is written where the lock is, in place: what a crash leaves of it does not
// end as it should and is no address. So it need not be synced either.
func (u *Upload) Remember(location string) {
	if !u.taken() {
		return
	}
	if !isLocation(location) {
		u.Forget()
		return
	}
	raw := location + "\n"
	if _, err := u.file.WriteAt([]byte(raw), 0); err != nil || u.file.Truncate(int64(len(raw))) != nil {
		u.Forget()
	}
}

// Forget makes Location empty.
func (u *Upload) Forget() {
	if u == nil {
		return
	}
	if _, err := os.Lstat(u.path()); !u.asked && err != nil {
		return // there is nothing to forget
	}
	if u.taken() {
		_ = u.file.Truncate(0) // an address that stays is refused by the registry
	}
}

// Close leaves what is remembered to the next process.
func (u *Upload) Close() {
	if u == nil || u.file == nil {
		return
	}
	info, err := u.file.Stat()
	u.file.Close()
	u.file = nil
	if err == nil && info.Size() == 0 {
		os.Remove(u.path())
	}
}

func (u *Upload) path() string { return filepath.Join(u.dir, u.name) }

// taken reports whether the memory is ours. The first call tries to make it so.
func (u *Upload) taken() bool {
	if u == nil || u.asked {
		return u != nil && u.file != nil
	}
	u.asked = true
	if os.MkdirAll(u.dir, 0o700) != nil {
		return false
	}
	sweep(u.dir)
	f, err := os.OpenFile(u.path(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false
	}
	if filelock.TryLock(f) != nil {
		f.Close()
		return false
	}
	u.file = f
	return true
}

// sweep removes what is too old and, the oldest first, what is too much.
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
