package cut

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"drayage/internal/durable"
	"drayage/internal/limits"
)

// A volume is called x.tar.partial.001 until it is complete. That is no name which cat x.tar.0* would take.

// volumeName is the name of volume i of an archive, and parityName that of parity volume i.
func volumeName(archive string, i int) string { return fmt.Sprintf("%s.%03d", archive, i+1) }
func parityName(archive string, i int) string { return fmt.Sprintf("%s.p%02d", archive, i+1) }

// partialName is what a volume is called until it is complete, and partialParity a parity volume.
func partialName(archive string, i int) string { return volumeName(durable.PartialName(archive), i) }

func partialParity(archive string, i int) string { return parityName(durable.PartialName(archive), i) }

var ending = regexp.MustCompile(`^\.(\d{3}|p\d{2,3})$`)

// partial lists what this or another run has begun of an archive's volumes in the folder.
func (f *folder) partial(archive string) ([]string, error) {
	return listed(f.dir, durable.PartialName(archive))
}

// listed are the files in a directory that are called like volumes or parity volumes of an archive.
func listed(dir, archive string) (names []string, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, err := d.Readdirnames(-1)
	for _, name := range all {
		if end, ok := strings.CutPrefix(name, archive); ok && ending.MatchString(end) {
			names = append(names, name)
		}
	}
	return names, err
}

// number is the number of the data volume that is called name, counted from 0.
func number(name, archive string) (i int, ok bool) {
	end := strings.TrimPrefix(strings.TrimPrefix(name, archive), ".")
	n, err := strconv.Atoi(end)
	return n - 1, err == nil && n >= 1 && n <= limits.SetVolumes
}
