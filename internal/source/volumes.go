package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"drayage/dockerarchive"
	"drayage/internal/sign"
	"drayage/internal/usage"
	"drayage/internal/verify"
	"drayage/internal/volume"
)

// volumeName is the end of the name of a volume, and that of a parity volume.
var volumeName = regexp.MustCompile(`^(.+)\.(\d{3}|[pP]\d{2,3})$`)

// divided is the end of the name of a part, as split, 7z and others write it.
var divided = regexp.MustCompile(
	`(?i)\.(tar|t?gz|tzst|zst|t?xz|bz2|zip|7z)\.?(part[-_.]?\w{1,4}|\d{2,4}|a[a-z])$`)

// explainDivided adds to an error about an archive that it is called like a part of one.
func explainDivided(path string, err error) error {
	if !divided.MatchString(path) {
		return err
	}
	if left := leftBehind(filepath.Dir(path), []string{filepath.Base(path)}); left != nil {
		return left
	}
	return fmt.Errorf("%w; it is called like one part of a divided file: join all parts first", err)
}

// unsigned is the error about a SOURCE that no signature can be asked of.
func (s *Set) unsigned() error {
	if s.Spec.Kind == Archive {
		return verify.Mismatchf("it is not signed, as --key asks for: "+
			"there is no set file %s, which a signature is of",
			volume.SetName(s.Spec.Path))
	}
	return usage.Errorf("--key asks for a signature, and %s cannot be signed: "+
		"only an archive with a set file can", s.Spec.Text)
}

// setFile finds the set file of an archive: that is Path, or Path is one of the volumes. If a signature is
// asked for, the archive itself may have one. It returns nothing if there is none.
func (s *Set) setFile(opts Options) (string, error) {
	if isSetFile(s.Spec.Path) {
		return s.Spec.Path, nil
	}
	name := filepath.Base(s.Spec.Path)
	if m := volumeName.FindStringSubmatch(name); m != nil {
		name = m[1]
	} else if opts.Trust == nil {
		return "", nil
	}
	for _, dir := range append([]string{filepath.Dir(s.Spec.Path)}, opts.Volumes...) {
		if file := called(dir, volume.SetName(name)); file != "" {
			return file, nil
		}
	}
	return "", nil
}

// besideVolume is the set file of a volume that is not there, or of an archive that is not there in one
// piece. It is empty if there is none.
func besideVolume(path string) string {
	name := path
	if m := volumeName.FindStringSubmatch(path); m != nil {
		name = m[1]
	} else if !archive.MatchString(path) {
		return ""
	}
	return called(filepath.Split(volume.SetName(name)))
}

// setFile finds the set file in a folder, or else in those that volumes are looked for in.
func (f *folder) setFile(opts Options) (string, error) {
	for _, dir := range append([]string{f.path}, opts.Volumes...) {
		switch sets := setsIn(dir); len(sets) {
		case 0:
		case 1:
			return sets[0], nil
		default:
			return "", usage.Errorf("%s has several archives in volumes: name one of them: %s", dir, List(sets))
		}
	}
	return "", nil
}

// parseSet reads a set file, and asks first whether it is to be trusted.
func parseSet(file string, opts Options) (*volume.Set, error) {
	raw, err := readSetFile(file)
	if err != nil {
		return nil, err
	}
	return parseRaw(file, raw, opts)
}

func parseRaw(file string, raw []byte, opts Options) (*volume.Set, error) {
	if opts.Trust != nil {
		if err := opts.Trust(file, raw); err != nil {
			return nil, err
		}
	}
	set, err := volume.Parse(raw)
	switch {
	case errors.Is(err, volume.ErrNewer):
		return nil, fmt.Errorf("%s: %w", file, err)
	case err != nil:
		return nil, verify.Mismatchf("the set file %s is damaged: %v", file, err)
	}
	return set, nil
}

// openSet opens an archive in volumes by its set file. notFound is why there is none.
func (s *Set) openSet(ctx context.Context, file string, notFound error, opts Options) error {
	if s.bySet = true; notFound != nil {
		return notFound
	}
	set, err := parseSet(file, opts)
	if err != nil {
		return err
	}
	if opts.Trust == nil {
		s.Unchecked = sign.Beside(file)
	}
	dirs := []string{filepath.Dir(file)}
	if s.Spec.Path != file {
		if fi, err := os.Stat(s.Spec.Path); err == nil && fi.Mode().IsRegular() {
			set = joined(set, filepath.Base(s.Spec.Path), fi.Size())
		}
		dirs = []string{filepath.Dir(s.Spec.Path), dirs[0]} // the file that was named counts before a copy
	}
	dirs = append(dirs, opts.Volumes...)
	if s.Volumes, err = volume.Find(ctx, set, distinct(dirs)); err != nil {
		return err
	}
	s.closes = append(s.closes, s.Volumes.Close)
	if opts.Trust != nil {
		if err := s.named(file); err != nil {
			return err
		}
	}
	unusable := s.Volumes.Found().Unusable()
	if unusable != nil && !opts.Partial && !opts.Look && !opts.Names {
		return unusable
	}
	in, err := fromReaderAt(s.Volumes, set.Size, file)
	if err == nil {
		s.in = in
		err = s.openArchive(ctx, in, opts)
	}
	switch {
	case !opts.Partial:
		s.Remarks = append(s.volumeRemarks(), s.Remarks...)
	case err != nil && ctx.Err() == nil:
		s.Gap, err = err, nil
	}
	return err
}

// named reports a SOURCE that is not what was signed, though the set file beside it is: other commands would
// be given that file.
func (s *Set) named(file string) error {
	fi, err := os.Stat(s.Spec.Path)
	if err != nil || s.Spec.Path == file {
		return nil
	}
	for _, state := range s.Volumes.Found().States {
		if state.File == "" {
			continue
		}
		if other, err := os.Stat(state.File); err == nil && os.SameFile(fi, other) {
			return nil
		}
	}
	return verify.Mismatchf("%s is not what was signed: %s is about another file", s.Spec.Path, file)
}

// joined is the set of volumes that have been joined to one file.
func joined(set *volume.Set, name string, size int64) *volume.Set {
	if size != set.Size || set.Volume == 0 && set.Name == name || volumeName.MatchString(name) {
		return set
	}
	one := *set
	one.Name, one.Volume, one.Parity, one.ParityBlocks = name, 0, nil, nil
	one.Volumes = []volume.Volume{{Size: set.Size, SHA256: set.SHA256}}
	if one.Check() != nil { // the name of a file that no set can have
		return set
	}
	return &one
}

// distinct drops folders that are named twice.
func distinct(dirs []string) (all []string) {
	for _, d := range dirs {
		if d = filepath.Clean(d); !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	return all
}

// salvage reads the archive in spite of gaps.
func (s *Set) salvage(ctx context.Context, at io.ReaderAt, size int64, opts Options) error {
	r, fault := dockerarchive.Salvage(at, size, s.Volumes.Behind)
	if r == nil {
		return fault
	}
	s.Gap, opts.Tolerant = fault, true
	return s.read(ctx, r, opts)
}

// volumeRemarks tells users what is odd about the volumes, though the archive can be read.
func (s *Set) volumeRemarks() (all []Remark) {
	for _, text := range s.Volumes.Found().Sentences() {
		all = append(all, Remark{Text: text})
	}
	if len(all) > maxListed {
		more := fmt.Sprintf("and so are %d more volumes", len(all)-maxListed)
		all = append(all[:maxListed], Remark{Text: more})
	}
	return all
}
