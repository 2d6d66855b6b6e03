package cut

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"drayage/internal/checksums"
	"drayage/internal/durable"
	"drayage/internal/limits"
	"drayage/internal/terminal"
	"drayage/internal/volume"
)

// Media is an archive whose volumes are written one after the other, each to another medium in the same
// folder. Its hashes are made on the way. The caller writes everything in order, and ends it with Finish, and
// with Abort in any case.
type Media struct {
	opts Options
	path string
	ask  func(done int, why string) error

	set     *volume.Set
	mounted bool // the folder is where a medium is mounted
	file    *durable.Output
	hold    *durable.Hold // as long as there is a file: a medium that is in use could not be taken away
	n       int64         // bytes of the volume
	whole   hash.Hash
	own     hash.Hash // of the volume
	blocks  []*runs
}

// runs hashes every run of so many bytes.
type runs struct {
	size, n int64
	hash    hash.Hash
	sums    []byte
}

func (r *runs) write(p []byte) {
	for len(p) > 0 {
		run := p[:min(int64(len(p)), r.size-r.n)]
		r.hash.Write(run)
		p = p[len(run):]
		if r.n += int64(len(run)); r.n == r.size {
			r.end()
		}
	}
}

func (r *runs) end() {
	if r.n > 0 {
		r.sums = r.hash.Sum(r.sums)
		r.hash.Reset()
		r.n = 0
	}
}

// NewMedia begins the archive at path. Ask is called when so many volumes are complete and the next medium is
// needed; if it is not empty, why says what is wrong with the medium that is there. An error of ask ends the
// work.
func NewMedia(path string, opts Options, ask func(done int, why string) error) (*Media, error) {
	if err := volume.CheckName(filepath.Base(path)); err != nil {
		return nil, err
	}
	m := &Media{opts: opts, path: path, ask: ask, whole: sha256.New(), own: sha256.New(),
		set: &volume.Set{Name: filepath.Base(path), Volume: opts.Volume}}
	// Which block size it has to be shows in the end: as usual, or one for any number of volumes.
	few := blockFor(opts.Volume, opts.Volume)
	many := blockFor(opts.Volume*limits.SetVolumes, opts.Volume)
	m.blocks = []*runs{{size: few, hash: sha256.New()}}
	if many != few {
		m.blocks = append(m.blocks, &runs{size: many, hash: sha256.New()})
	}
	m.mounted = isMounted(m.dir())
	if why := m.unfit(); why != "" {
		return nil, fmt.Errorf("%s: %s", m.dir(), why)
	}
	return m, nil
}

func (m *Media) dir() string { return filepath.Dir(m.path) }

// isMounted reports whether a directory is on another disk than the one that it is in.
func isMounted(dir string) bool {
	above := durable.Disk(filepath.Join(dir, ".."))
	return above != "" && durable.Disk(dir) != above
}

// unfit says why the medium that is there cannot take a volume. It is empty if it can.
func (m *Media) unfit() string {
	names, err := listed(m.dir(), m.set.Name)
	switch {
	case err != nil:
		return durable.Worded(err.Error(), err)
	case m.mounted && !isMounted(m.dir()):
		return "no medium is mounted there"
	case len(names) > 0:
		return fmt.Sprintf("%s is on it: take another medium, or an empty one", names[0])
	}
	if err := durable.Room(m.dir(), m.opts.Volume+Besides, m.opts.Volume); err != nil {
		return err.Error()
	}
	return ""
}

// next waits for a medium that takes the next volume, and begins it.
func (m *Media) next() (err error) {
	done := len(m.set.Volumes)
	if done >= limits.SetVolumes {
		return &TooManyError{Volume: m.opts.Volume, Most: limits.SetVolumes}
	}
	for why := ""; done > 0; {
		if err := m.ask(done, why); err != nil {
			return err
		}
		if why = m.unfit(); why == "" {
			break
		}
	}
	if m.hold, err = durable.HoldFolders(m.set.Name, m.dir()); err != nil {
		return err
	}
	path := filepath.Join(m.dir(), volumeName(m.set.Name, done))
	if m.file, err = durable.OpenOutput(path, partialName(m.set.Name, done)); err != nil {
		return err
	}
	return m.file.Truncate(0)
}

// Write implements io.Writer.
func (m *Media) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		if m.file == nil {
			if err := m.next(); err != nil {
				return written, err
			}
		}
		run := p[:min(int64(len(p)), m.opts.Volume-m.n)]
		if _, err := m.file.Write(run); err != nil {
			return written, err
		}
		m.whole.Write(run)
		m.own.Write(run)
		for _, b := range m.blocks {
			b.write(run)
		}
		written, p = written+len(run), p[len(run):]
		if m.n += int64(len(run)); m.n == m.opts.Volume {
			if err := m.complete(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// complete gives a volume its name, when it is on the medium.
func (m *Media) complete() error {
	defer m.hold.Release()
	if err := m.file.Commit(); err != nil {
		return err
	}
	if err := m.hold.Stays(); err != nil {
		return err
	}
	sum := digest.NewDigest(digest.SHA256, m.own)
	m.set.Volumes = append(m.set.Volumes, volume.Volume{Size: m.n, SHA256: sum})
	m.set.Size += m.n
	m.own.Reset()
	m.file, m.n = nil, 0
	return nil
}

// Finish completes the last volume and writes the set file beside it, and into the folders of the options. It
// returns where the set files are.
func (m *Media) Finish(context.Context) (sets []string, err error) {
	if m.file != nil {
		if err := m.complete(); err != nil {
			return nil, err
		}
	}
	s := m.set
	s.SHA256 = digest.NewDigest(digest.SHA256, m.whole)
	chosen := m.blocks[0]
	if len(m.blocks) > 1 && s.Size > chosen.size*limits.SetBlocks {
		chosen = m.blocks[1]
	}
	chosen.end()
	s.Block, s.Blocks = chosen.size, chosen.sums
	raw, err := s.Encode()
	if err != nil {
		return nil, err
	}
	for _, dir := range append([]string{m.dir()}, m.opts.Folders...) {
		path := filepath.Join(dir, s.Name)
		if err := WriteSet(path, raw); err != nil {
			return nil, err
		}
		sets = append(sets, volume.SetName(path))
		if !m.opts.Checksum {
			continue
		}
		lines := append(linesOf(s), checksums.Line{Name: volume.SetName(s.Name), SHA256: digest.FromBytes(raw)})
		if err := checksums.Write(path, lines); err != nil {
			return nil, err
		}
	}
	return sets, nil
}

// Set is what the set file says, after Finish.
func (m *Media) Set() *volume.Set { return m.set }

// Written lists the volumes, all under the folder in which their media were.
func (m *Media) Written() (all []File) {
	for i, v := range m.set.Volumes {
		all = append(all, File{filepath.Join(m.dir(), m.set.FileName(i)), v.Size, v.SHA256})
	}
	return all
}

// Load is the line that loads the archive into Docker when the volumes are in one folder.
func (m *Media) Load() string { return loads([]string{m.path}, len(m.set.Volumes)) }

// Summary says for people in how many volumes the archive is.
func (m *Media) Summary() string {
	return fmt.Sprintf(" in %s of %s", terminal.Count(len(m.set.Volumes), "volume"),
		terminal.Size(m.opts.Volume))
}

// Abort removes a volume that is not complete. Those that are stay on their media.
func (m *Media) Abort() {
	defer m.hold.Release()
	if m.file != nil {
		m.file.Abort()
	}
}

// CheckFolders fails if a folder is not there.
func (o Options) CheckFolders() error {
	for _, dir := range o.Folders {
		if fi, err := os.Stat(dir); err != nil {
			return err
		} else if !fi.IsDir() {
			return fmt.Errorf("%s is no folder", dir)
		}
	}
	return nil
}
