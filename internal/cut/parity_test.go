package cut_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/internal/cut"
	"drayage/internal/limits"
	"drayage/internal/parity"
)

func TestParityVolumes(t *testing.T) {
	for _, size := range []int{1, mib, 3*mib + 77} {
		dir, data := t.TempDir(), content(size)
		w, err := write(t, filepath.Join(dir, "x.tar"), cut.Options{Volume: mib, Parity: 2}, data)
		if err != nil {
			t.Fatal(size, err)
		}
		files, set := tree(t, dir), w.Set()
		if len(set.Parity) != 2 || len(w.Written()) != len(files) || len(files) != len(set.Volumes)+3 {
			t.Fatalf("%d: %d parity volumes, %d files", size, len(set.Parity), len(files))
		}
		var in []parity.Input // the first volume is rebuilt from the others
		for i := range set.Len() {
			v := files[set.FileName(i)]
			if digest.FromString(v) != set.At(i).SHA256 {
				t.Errorf("%d: %s is not what the set says", size, set.FileName(i))
			}
			if i > 0 && len(in) < len(set.Volumes) {
				in = append(in, parity.Input{Point: i, From: strings.NewReader(v), Size: int64(len(v))})
			}
		}
		var got bytes.Buffer
		out := parity.Output{Take: func(p []byte, _ int64) error { _, err := got.Write(p); return err }}
		err = parity.Compute(t.Context(), in, []parity.Output{out}, parity.Range{Size: set.Volumes[0].Size}, nil)
		if err != nil || !bytes.Equal(got.Bytes(), data[:set.Volumes[0].Size]) {
			t.Errorf("%d: the first volume is not rebuilt: %v", size, err)
		}
	}
}

// An archive with fewer parity volumes, or none, leaves none of an earlier one. What no set has stays.
func TestParityVolumesAreReplaced(t *testing.T) {
	dir, data := t.TempDir(), content(2*mib)
	for _, k := range []int{3, 1, 0, 2} {
		if _, err := write(t, filepath.Join(dir, "x.tar"), cut.Options{Volume: mib, Parity: k}, data); err != nil {
			t.Fatal(err)
		}
		if n := len(tree(t, dir)); n != 2+k+1 {
			t.Errorf("%d parity volumes: %d files", k, n)
		}
	}
	stray := filepath.Join(dir, "x.tar.p07")
	if err := os.WriteFile(stray, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := write(t, filepath.Join(dir, "x.tar"), cut.Options{Volume: mib, Parity: 1}, data)
	if err == nil || !strings.Contains(err.Error(), "x.tar.p07 is in the way") {
		t.Error(err)
	}
}

// A set has as many volumes as it may have, with those of parity.
func TestParityVolumesCount(t *testing.T) {
	dir := t.TempDir()
	_, err := write(t, filepath.Join(dir, "x.tar"), cut.Options{Volume: mib, Parity: limits.SetVolumes - 1},
		content(mib+1))
	if err == nil || !strings.Contains(err.Error(), "it takes more than 1 volume of 1.0 MB") {
		t.Error(err)
	}
}
