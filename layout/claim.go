package layout

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/filelock"
)

// claimPrefix begins the names of files that each list the blobs which one writer counts on, a digest a line.
// The writer holds a lock on its file, so that the file of one that was killed can be told.
const claimPrefix = "claim-"

// claims is the file of the blobs that a Dir counts on: those that it has stored or found, and may enter
// under a name later. [Dir.Collect] leaves them alone. They are marked as counted.
type claims struct {
	mu   sync.Mutex
	file *os.File
	name string
}

// Claim keeps [Dir.Collect], in whatever process, from removing blobs until the Dir is closed, whether they
// are there yet or not. [Dir.Push] does that too. Claiming many blobs at once takes less time. Where there
// are no locks nothing is claimed: Collect refuses to work there unless it is told that nobody else does.
func (d *Dir) Claim(ctx context.Context, blobs []v1.Descriptor) error {
	d.claims.mu.Lock()
	defer d.claims.mu.Unlock()
	var lines strings.Builder
	var added []digest.Digest
	for _, b := range blobs {
		if !d.known.has(b.Digest, counted) {
			added = append(added, b.Digest)
			lines.WriteString(b.Digest.String() + "\n")
		}
	}
	if len(added) == 0 || !d.Locks() {
		return nil
	}
	err := d.locked(ctx, func() error { // nobody collects meanwhile
		if !d.Locks() {
			return nil
		}
		if err := d.openClaims(); err != nil {
			return err
		}
		_, err := d.claims.file.WriteString(lines.String())
		return err
	})
	if err != nil {
		return d.located(err)
	}
	for _, id := range added {
		d.known.add(id, counted)
	}
	return nil
}

// openClaims makes the file, while the lock is held, and removes those of writers that were killed.
func (d *Dir) openClaims() (err error) {
	if d.claims.file != nil {
		return nil
	}
	if _, err := d.othersClaims(); err != nil {
		return err
	}
	d.claims.name = workDir + "/" + claimPrefix + rand.Text()
	f, err := d.root.OpenFile(d.claims.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if err := filelock.TryLock(f); err != nil {
		f.Close()
		return errors.Join(err, d.root.Remove(d.claims.name))
	}
	d.claims.file = f
	return nil
}

// dropClaims ends the claims.
func (d *Dir) dropClaims() {
	d.claims.mu.Lock()
	defer d.claims.mu.Unlock()
	if d.claims.file != nil {
		d.claims.file.Close() // Windows removes no open file
		_ = d.root.Remove(d.claims.name)
		d.claims.file = nil
		d.known.drop(counted)
	}
}

// othersClaims lists the blobs that living writers count on, this Dir included, while the lock is held. It
// removes the files of the dead.
func (d *Dir) othersClaims() (map[digest.Digest]struct{}, error) {
	entries, err := fs.ReadDir(d.root.FS(), workDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	all := map[digest.Digest]struct{}{}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), claimPrefix) || !e.Type().IsRegular() {
			continue
		}
		if err := d.readClaims(path.Join(workDir, e.Name()), all); err != nil {
			return nil, fmt.Errorf("%s, which says what a running fetch needs: %w", e.Name(), err)
		}
	}
	return all, nil
}

func (d *Dir) readClaims(name string, all map[digest.Digest]struct{}) error {
	f, err := d.root.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) { // to lock it is enough to read it
		f, err = d.root.Open(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its writer has ended
	}
	if err != nil {
		return err
	}
	if err = filelock.TryLock(f); err == nil { // its writer is dead
		f.Close()
		_ = d.root.Remove(name) // one that stays does no harm
		return nil
	}
	defer f.Close()
	if !errors.Is(err, filelock.ErrLocked) {
		return err
	}
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		all[digest.Digest(strings.TrimSuffix(line, "\n"))] = struct{}{}
	}
}
