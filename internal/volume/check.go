package volume

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"drayage/internal/limits"
	"drayage/internal/verify"
)

// Check reports why a set cannot be true, or is beyond the limits. [Parse] and [Set.Encode] ask it. The
// numbers of a set that passes need no further checks.
func (s *Set) Check() error {
	if err := CheckName(s.Name); err != nil {
		return err
	}
	switch {
	case s.Block < limits.SetBlockLeast || s.Block > limits.SetBlockMost || s.Block&(s.Block-1) != 0:
		return fmt.Errorf("its block size of %d bytes is not a power of two from %d to %d", s.Block,
			limits.SetBlockLeast, limits.SetBlockMost)
	case s.Size < 1 || s.Size > s.Block*limits.SetBlocks:
		return fmt.Errorf("its archive has %d bytes: with blocks of %d it may have 1 to %d", s.Size, s.Block,
			s.Block*limits.SetBlocks)
	case s.Volume < 0 || s.Volume%s.Block != 0:
		return fmt.Errorf("its volume size of %d bytes is not a multiple of its block size %d", s.Volume, s.Block)
	case s.Len() > limits.SetVolumes:
		return fmt.Errorf("it has %d volumes and parity volumes, more than %d", s.Len(), limits.SetVolumes)
	}
	if err := s.checkVolumes(); err != nil {
		return err
	}
	if err := s.checkSums(); err != nil {
		return err
	}
	return s.checkAgreement()
}

// checkVolumes reports volumes that are not what cutting the archive gives.
func (s *Set) checkVolumes() error {
	want := int64(1)
	if s.Volume > 0 {
		want = (s.Size-1)/s.Volume + 1
	}
	if int64(len(s.Volumes)) != want {
		return fmt.Errorf("it lists %d volumes: an archive of %d bytes in volumes of %d has %d", len(s.Volumes),
			s.Size, s.Volume, want)
	}
	for i, v := range s.Volumes {
		size := s.Size - s.Start(i)
		if s.Volume > 0 {
			size = min(size, s.Volume)
		}
		if v.Size != size {
			return fmt.Errorf("%s has %d bytes in it and not %d", s.Title(i), v.Size, size)
		}
	}
	for i, v := range s.Parity {
		if v.Size != s.Volumes[0].Size {
			return fmt.Errorf("%s has %d bytes in it and not %d, as the first volume",
				s.Title(len(s.Volumes)+i), v.Size, s.Volumes[0].Size)
		}
	}
	return nil
}

// checkSums reports hashes that are too few, too many, or no SHA-256.
func (s *Set) checkSums() error {
	if err := checkSHA256(s.SHA256); err != nil {
		return fmt.Errorf("the archive: %w", err)
	}
	for i := range s.Len() {
		if err := checkSHA256(s.At(i).SHA256); err != nil {
			return fmt.Errorf("%s: %w", s.Title(i), err)
		}
	}
	if n := s.blocks(s.Size); len(s.Blocks) != n*sha256.Size {
		return fmt.Errorf("it has %d bytes of hashes of blocks: %d blocks have %d", len(s.Blocks), n,
			n*sha256.Size)
	}
	parity := len(s.Parity) * s.BlocksOf(0)
	if parity > limits.SetParityBlocks {
		return fmt.Errorf("its parity volumes have %d blocks, more than %d", parity, limits.SetParityBlocks)
	}
	if len(s.ParityBlocks) != parity*sha256.Size {
		return fmt.Errorf("it has %d bytes of hashes of parity blocks: %d blocks have %d", len(s.ParityBlocks),
			parity, parity*sha256.Size)
	}
	return nil
}

func checkSHA256(d digest.Digest) error {
	if err := verify.Digest(d); err != nil {
		return err
	}
	if d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("%s is no sha256", d)
	}
	return nil
}

// checkAgreement reports two hashes of the same bytes that differ: of a volume that is one block, and of an
// archive that is one volume.
func (s *Set) checkAgreement() error {
	if len(s.Volumes) == 1 && s.Volumes[0].SHA256 != s.SHA256 {
		return errors.New("its hash of the archive and that of the only volume differ")
	}
	for i := range s.Len() {
		if s.BlocksOf(i) > 1 {
			continue
		}
		_, _, sum := s.BlockAt(i, 0)
		if own, err := hex.DecodeString(s.At(i).SHA256.Encoded()); err != nil || !bytes.Equal(own, sum[:]) {
			return fmt.Errorf("its hash of %s and that of the only block in it differ", s.Title(i))
		}
	}
	return nil
}

// CheckName reports why an archive in volumes cannot have a name. Every file system that volumes are carried
// on has to take it, so the rules of Windows and FAT count everywhere.
func CheckName(name string) error {
	why := ""
	switch {
	case name == "":
		return errors.New("it names no archive")
	case len(name) > limits.SetName:
		why = fmt.Sprintf("it is longer than %d bytes", limits.SetName)
	case !utf8.ValidString(name):
		why = "it is not UTF-8"
	case strings.ContainsAny(name, `/\`):
		why = "it is a path"
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		why = "it has characters that cannot be printed"
	case strings.ContainsAny(name, `<>:"|?*`):
		why = `it has one of < > : " | ? *, which other systems refuse`
	case strings.HasPrefix(name, "."):
		why = "it begins with a dot"
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		why = "it ends with a dot or a space"
	case isDevice(name):
		why = "it is a device on Windows"
	default:
		return nil
	}
	return fmt.Errorf("the name %.300q cannot be that of an archive in volumes: %s", name, why)
}

// isDevice reports names that Windows takes for devices, in any case and whatever follows a dot
// (https://learn.microsoft.com/windows/win32/fileio/naming-a-file#naming-conventions).
func isDevice(name string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch base = strings.TrimSpace(base); base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, ok := strings.CutPrefix(base, "COM")
	if !ok {
		port, ok = strings.CutPrefix(base, "LPT")
	}
	return ok && utf8.RuneCountInString(port) == 1 && strings.Contains("0123456789¹²³", port)
}
