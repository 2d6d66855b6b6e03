package tarpatch

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// Headers that have nothing in common are compared all the same. A reader must not refuse what comes of it.
func TestCostlyPatchesAreNotMade(t *testing.T) {
	layerOf := func(seed uint64) []byte {
		var files []file
		for i := range uint64(4) {
			value := bytes.ReplaceAll(noise(seed+i, 900_000), []byte{0}, []byte{1})
			f := file{name: "a", Header: tar.Header{Format: tar.FormatPAX}}
			f.PAXRecords = map[string]string{"SCHILY.xattr.user.x": string(value)}
			files = append(files, f)
		}
		return tarOf(t, files...)
	}
	_, s := patch(t, layerOf(10), layerOf(20))
	if s.New < 1<<19 || s.Changed < 1<<20 {
		t.Errorf("%+v: nothing was coded, or all", s)
	}
}

// A patch that takes long for each byte is left soon.
func TestCostlyPatchesAreRefused(t *testing.T) {
	const size = 1 << 21
	old, new := noise(1, size), noise(2, size)
	base := layer(old)
	for name, ops := range map[string]func(m *moves){
		"data":   func(m *moves) { fieldsOf(m, 0, 1) },
		"copies": func(m *moves) { fieldsOf(m, 1, 0, 3, 0) },
		"changes": func(m *moves) {
			if m.spent == 0 {
				fieldsOf(m, 1, 0, 2*size, 0)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out, diff bytes.Buffer
			m, d := newMoves(newCoder(&out)), newDeltas(newCoder(&diff))
			for range size {
				ops(m)
			}
			for at := 0; at < size; at += chunk {
				d.code(old[at:at+chunk], new[at:at+chunk], int64(at), 0)
			}
			if m.finish() != nil || d.finish() != nil {
				t.Fatal("a buffer takes all")
			}
			h := Header{Size: size, Target: layer(new).DiffID, Bases: []digest.Digest{base.DiffID}}
			h.frames[opsStream].codec, h.frames[diffStream].codec = codecModel, codecModel
			p := written(t, h, out.Bytes(), diff.Bytes(), make([]byte, size))
			r, err := Open(bytes.NewReader(p), int64(len(p)), []Base{base})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if n, err := io.Copy(io.Discard, r); err == nil || !strings.Contains(err.Error(), "work") || n == size {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}

// fieldsOf codes an operation: its base and data, or all fields.
func fieldsOf(m *moves, values ...uint64) {
	names := []int{baseField, offsetField, countField, dataField}
	if len(values) == 2 {
		names = []int{baseField, dataField}
	}
	for i, v := range values {
		m.code(names[i], v)
	}
}
