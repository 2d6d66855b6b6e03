package main

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/testscript"

	"drayage/internal/delta"
	"drayage/internal/imagetest"
)

// twist is "twist FROM TO HOW": it makes a hostile archive of one with a patch. All digests in it are right.
func twist(ts *testscript.TestScript, _ bool, args []string) {
	all := readTar(ts, args[0])
	at := map[string]int{}
	for i, e := range all {
		at[e.header.Name] = i
	}
	index := &all[at["index.json"]]
	var top struct{ Annotations map[string]digest.Digest }
	ts.Check(json.Unmarshal(index.body, &top))
	named := top.Annotations[delta.Annotation]
	entry := &all[at["blobs/sha256/"+named.Encoded()]]
	var doc map[string]any
	ts.Check(json.Unmarshal(entry.body, &doc))
	layer := doc["rebuilt"].([]any)[0].(map[string]any)
	blob := func(what string) *tarEntry {
		return &all[at["blobs/sha256/"+digest.Digest(layer[what].(string)).Encoded()]]
	}
	set := func(what string, raw []byte) {
		rename(blob(what), raw)
		layer[what], layer[what+"Size"] = digest.FromBytes(raw), len(raw)
	}
	twists[args[2]](layer, func(what string, change func([]byte) []byte) { set(what, change(blob(what).body)) })
	raw, err := json.Marshal(doc)
	ts.Check(err)
	rename(entry, raw)
	changed := bytes.ReplaceAll(index.body, []byte(named), []byte(digest.FromBytes(raw)))
	index.body, index.header.Size = changed, int64(len(changed))
	writeTar(ts, args[1], all)
}

// rename gives a blob of an archive another content.
func rename(e *tarEntry, raw []byte) {
	name := "blobs/sha256/" + digest.FromBytes(raw).Encoded()
	e.header, e.body = &tar.Header{Name: name, Size: int64(len(raw)), Mode: 0o444}, raw
}

// twists change the entry of a layer in the delta document, and its patch and recipe.
var twists = map[string]func(layer map[string]any, part func(string, func([]byte) []byte)){
	"content": func(l map[string]any, _ func(string, func([]byte) []byte)) { // as save --patch=content
		l["content"] = true
		delete(l, "recipe")
		delete(l, "recipeSize")
	},
	"huge": func(l map[string]any, _ func(string, func([]byte) []byte)) { l["unpacked"] = int64(1) << 45 },
	"large": func(l map[string]any, _ func(string, func([]byte) []byte)) {
		l["unpacked"] = 1032 * int64(l["size"].(float64))
	},
	"base": func(l map[string]any, _ func(string, func([]byte) []byte)) { // another layer that is there
		b := l["bases"].([]any)[0].(map[string]any)
		raw := imagetest.GzipLayer(versionBase()).Content
		b["digest"], b["size"] = digest.FromBytes(raw), len(raw)
	},
	"itself": func(l map[string]any, _ func(string, func([]byte) []byte)) {
		b := l["bases"].([]any)[0].(map[string]any)
		b["digest"], b["size"], b["diffID"] = l["digest"], l["size"], l["diffID"]
	},
	"still": func(_ map[string]any, part func(string, func([]byte) []byte)) { // a million operations do nothing
		part("patch", func(raw []byte) []byte { return withOps(raw, make([]byte, 4<<20)) })
	},
	"endless": func(_ map[string]any, part func(string, func([]byte) []byte)) { // the base, again and again
		var ops []byte
		for i := range 10_000 {
			ops = binary.AppendVarint(binary.AppendUvarint(ops, 1), -700_000*int64(min(i, 1)))
			ops = append(binary.AppendUvarint(ops, 700_000<<1|1), 0)
		}
		part("patch", func(raw []byte) []byte { return withOps(raw, ops) })
	},
	"cut": func(_ map[string]any, part func(string, func([]byte) []byte)) {
		part("recipe", func(raw []byte) []byte { return raw[:len(raw)/2] })
	},
	"recipe": func(_ map[string]any, part func(string, func([]byte) []byte)) { // of a bomb
		part("recipe", func(raw []byte) []byte {
			raw = bytes.Clone(raw)
			for i := 5; i < len(raw); i += 3 {
				raw[i] ^= 0x55
			}
			return raw
		})
	},
}

// withOps puts other operations into a patch.
func withOps(raw, ops []byte) []byte {
	at := 5
	next := func() uint64 {
		n, k := binary.Uvarint(raw[at:])
		at += k
		return n
	}
	next()
	at += 32
	at += 32 * int(next())
	var frames [3][]byte
	head := bytes.Clone(raw[:at])
	var sizes [3]uint64
	for i := range sizes {
		at++
		sizes[i] = next()
	}
	for i, n := range sizes {
		frames[i] = raw[at : at+int(n)]
		at += int(n)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	frames[0] = z.EncodeAll(ops, nil)
	for _, f := range frames {
		head = binary.AppendUvarint(append(head, 1), uint64(len(f)))
	}
	return append(head, bytes.Join(frames[:], nil)...)
}
