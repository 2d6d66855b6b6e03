//go:build linux

package volumes

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Classes of harm, as the table has them.
const (
	classByte      = "one bit flipped in a volume, in each class of place"
	classParity    = "one bit flipped in a parity volume"
	classMissing   = "a volume or parity volume missing"
	classSwapped   = "two volumes swapped"
	classLength    = "a volume too short or too long"
	classCopied    = "a volume copied, renamed, or copied over another"
	classOlder     = "a volume of an older archive"
	classNoFile    = "a link or a directory in place of a volume"
	classSet       = "a field of the set file changed"
	classSetFile   = "the set file cut, empty, missing or of an older archive"
	classSignature = "one character of the signature changed, or another signature"
)

var classes = []string{
	classByte,
	classParity,
	classMissing,
	classSwapped,
	classLength,
	classCopied,
	classOlder,
	classNoFile,
	classSet,
	classSetFile,
	classSignature,
}

// flips change one bit at each place.
func flips(b *bundle) (all []harm) {
	for _, p := range b.places {
		file, offset := b.volumeAt(p.at)
		all = append(all, harm{name: p.name, class: classByte, names: []string{file}, codes: []int{exitIntegrity},
			cure: 1, do: func(w *world, _ *bundle) { w.flip(inside(file), offset) }})
	}
	for k := range b.parity {
		file := b.set.ParityName(k)
		for _, at := range []int64{0, b.set.Parity[k].Size - 1} {
			all = append(all, harm{name: fmt.Sprintf("byte %d of %s", at, file), class: classParity,
				names: []string{file}, codes: []int{exitIntegrity}, cure: 1,
				do: func(w *world, _ *bundle) { w.flip(inside(file), at) }})
		}
	}
	return all
}

// mistakes are those that people and their tools make when they carry volumes.
func mistakes(b *bundle) (all []harm) {
	n := b.set.Len()
	for i := range n {
		file := b.set.FileName(i)
		all = append(all, harm{name: file + " is missing", class: classMissing, names: []string{file},
			codes: []int{exitNotFound}, cure: 1, do: func(w *world, _ *bundle) { w.remove(inside(file)) }})
		for j := range i {
			other := b.set.FileName(j)
			all = append(all, harm{name: other + " and " + file + " are swapped", class: classSwapped,
				codes: []int{exitIntegrity}, names: []string{file, other},
				do: func(w *world, _ *bundle) { w.swap(inside(file), inside(other)) }})
		}
	}
	for _, i := range []int{1, len(b.set.Volumes) - 1} {
		all = append(all, lengths(b, b.set.FileName(i), int(b.set.At(i).Size))...)
	}
	file, other := name+".002", name+".003"
	damaged := []int{exitIntegrity, exitNotFound}
	return append(all,
		harm{name: "a volume is there twice", class: classCopied,
			do: func(w *world, b *bundle) { w.write(inside("copy of x.tar.002"), b.files[file]) }},
		harm{name: "a volume has another name", class: classCopied,
			do: func(w *world, _ *bundle) { w.rename(inside(file), inside("X.TAR (1).2")) }},
		harm{name: "all volumes have other names", class: classCopied, do: func(w *world, b *bundle) {
			for i := range b.set.Len() {
				w.rename(inside(b.set.FileName(i)), inside(fmt.Sprint("stick", b.set.Len()-i)))
			}
		}},
		harm{name: "a volume was copied over another", class: classCopied, names: []string{other}, codes: damaged,
			cure: 1, do: func(w *world, b *bundle) { w.write(inside(other), b.files[file]) }},
		harm{name: "a volume of an older archive", class: classOlder, names: []string{file}, codes: damaged,
			cure: 1, do: func(w *world, b *bundle) {
				w.write(inside(file), newBundle(w, b.kind, "old").files[file])
			}},
		harm{name: "a link to the volume", class: classNoFile, names: []string{file}, codes: damaged, cure: either,
			do: func(w *world, _ *bundle) {
				w.rename(inside(file), "elsewhere")
				if err := os.Symlink("../elsewhere", w.path(inside(file))); err != nil {
					w.Fatal(err)
				}
			}},
		harm{name: "a directory", class: classNoFile, names: []string{file}, codes: damaged, cure: either,
			do: func(w *world, _ *bundle) {
				w.remove(inside(file))
				w.write(inside(file+"/file"), nil)
			}})
}

// lengths make a volume shorter and longer.
func lengths(b *bundle, file string, size int) (all []harm) {
	for _, length := range []int{0, 1, size / 3, mib, size - 1, size + 1, size + mib} {
		if length == size {
			continue
		}
		all = append(all, harm{name: fmt.Sprintf("%s with %d of %d bytes", file, length, size), class: classLength,
			names: []string{file}, codes: []int{exitIntegrity, exitNotFound}, cure: 1,
			do: func(w *world, b *bundle) {
				content := slices.Clone(b.files[file])
				if length > size {
					content = append(content, make([]byte, length-size)...)
				}
				w.write(inside(file), content[:length])
			}})
	}
	return all
}

// setFields change the set file in one place each.
func setFields(b *bundle) (all []harm) {
	change := func(what string, f func(doc map[string]any)) {
		all = append(all, harm{name: "set: " + what, class: classSet, codes: []int{exitIntegrity}, cure: beyond,
			do: func(w *world, b *bundle) {
				var doc map[string]any
				if err := json.Unmarshal(b.files[setFile], &doc); err != nil {
					w.Fatal(err)
				}
				f(doc)
				raw, err := json.Marshal(doc)
				if err != nil {
					w.Fatal(err)
				}
				w.write(inside(setFile), raw)
			}})
	}
	for _, field := range []string{"mediaType", "name", "size", "sha256", "block", "volumes", "blocks"} {
		change("without "+field, func(doc map[string]any) { delete(doc, field) })
	}
	for _, field := range []string{"size", "block", "volume"} {
		change(field+" twice as large", func(doc map[string]any) { doc[field] = int64(doc[field].(float64)) * 2 })
		change(field+" negative", func(doc map[string]any) { doc[field] = -int64(doc[field].(float64)) })
		change(field+" as text", func(doc map[string]any) { doc[field] = fmt.Sprint(doc[field]) })
	}
	change("size one more", func(doc map[string]any) { doc["size"] = int64(doc["size"].(float64)) + 1 })
	change("another type", func(doc map[string]any) { doc["mediaType"] = "application/json" })
	for _, list := range []string{"volumes", "parity"} {
		if list == "parity" && b.parity == 0 {
			continue
		}
		change("one of "+list+" less", func(doc map[string]any) { doc[list] = doc[list].([]any)[1:] })
		change("another size in "+list, func(doc map[string]any) {
			doc[list].([]any)[0].(map[string]any)["size"] = 3 * mib
		})
	}
	for _, list := range []string{"blocks", "parityBlocks"} {
		if list == "parityBlocks" && b.parity == 0 {
			continue
		}
		change("another hash in "+list, func(doc map[string]any) {
			doc[list] = rehash(doc[list].(string), func(raw []byte) []byte { raw[40] ^= 1; return raw })
		})
		change("a hash less in "+list, func(doc map[string]any) {
			doc[list] = rehash(doc[list].(string), func(raw []byte) []byte { return raw[32:] })
		})
	}
	for _, bad := range []string{"../x.tar", "/etc/x.tar", `a\b.tar`, ".hidden", "a\x1b[2Jb.tar", ""} {
		change(fmt.Sprintf("the name %q", bad), func(doc map[string]any) { doc["name"] = bad })
	}
	return append(all, setFiles()...)
}

// rehash changes what stands in base64.
func rehash(text string, f func([]byte) []byte) string {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(f(raw))
}

// setFiles put something else in place of the set file.
func setFiles() (all []harm) {
	put := func(what string, f func(raw []byte) []byte) {
		all = append(
			all,
			harm{name: "set file: " + what, class: classSetFile, codes: []int{exitIntegrity}, cure: beyond,
				do: func(w *world, b *bundle) { w.write(inside(setFile), f(slices.Clone(b.files[setFile]))) }},
		)
	}
	put("cut", func(raw []byte) []byte { return raw[:len(raw)/2] })
	put("last byte missing", func(raw []byte) []byte { return raw[:len(raw)-2] })
	put("something behind it", func(raw []byte) []byte { return append(raw, "{}"...) })
	put("a field twice", func(raw []byte) []byte {
		return []byte(strings.Replace(string(raw), `{"mediaType"`, `{"size":1,"mediaType"`, 1))
	})
	put("a field twice, in another case", func(raw []byte) []byte {
		return []byte(strings.Replace(string(raw), `{"mediaType"`, `{"SIZE":1,"mediaType"`, 1))
	})
	// What does not look like a set file is none.
	none := []int{exitNotFound, exitIntegrity, exitUsage}
	return append(all,
		harm{name: "set file: zeros", class: classSetFile, codes: none, cure: beyond,
			do: func(w *world, b *bundle) { w.write(inside(setFile), make([]byte, len(b.files[setFile]))) }},
		harm{name: "set file: empty", class: classSetFile, codes: none, cure: beyond,
			do: func(w *world, _ *bundle) { w.write(inside(setFile), nil) }},
		harm{name: "set file: missing", class: classSetFile, codes: none,
			cure: beyond, do: func(w *world, _ *bundle) { w.remove(inside(setFile)) }},
		harm{name: "set file: of an older archive", class: classSetFile,
			codes: []int{exitIntegrity, exitNotFound}, cure: beyond, do: func(w *world, b *bundle) {
				w.write(inside(setFile), newBundle(w, b.kind, "old").files[setFile])
			}})
}
