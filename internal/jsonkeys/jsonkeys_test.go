package jsonkeys_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"drayage/internal/jsonkeys"
)

// documents tells of each which key stands twice; empty: none.
var documents = map[string]string{
	`{}`: "", `[]`: "", `null`: "", `"a"`: "", `1`: "", `[{"a":1},{"a":2}]`: "", `{"a":{"a":{"a":1}}}`: "",
	`{"a":1,"a":1}`:     "a",
	`{"a":"b","b":"a"}`: "",
	`{"a":["a","a",{"b":"a"}],"b":"b","c":"a"}`:     "",
	`{"a":1,"b":{"c":[{"d":1,"e":2,"d":3}]},"f":1}`: "d",
	`{"a":{"b":1},"b":2,"a":3}`:                     "a",
	`{"layers":[],"Layers":[]}`:                     "Layers",
	`{"layers":[],"layer\u0073":[]}`:                "layers",
	// the long s, which encoding/json takes for an s
	`{"layers":[],"layer` + "\u017f" + `":[]}`: "layer\u017f",
	// the sign for kelvin
	`{"k":1,"` + "\u212a" + `":2}`:                                                      "\u212a",
	`{"\"":1,"\\":2,"\\\"":3}`:                                                          "",
	`{"\"":1,"\u0022":2}`:                                                               `"`,
	`{"annotations":{"a":"1","A":"2"}}`:                                                 "",
	`{"Annotations":{"a":"1","A":"2"}}`:                                                 "",
	`{"annotations":{"a":"1","a":"2"}}`:                                                 "a",
	`{"annotations":[{"a":"1","A":"2"}]}`:                                               "",
	`{"x":{"a":"1","A":"2"}}`:                                                           "",
	`{"x":{"a":"1","a":"2"}}`:                                                           "a",
	`{"x":{"config":{"a":"1","A":"2"}}}`:                                                "",
	`{"config":{"Cmd":"1","cmd":"2"}}`:                                                  "cmd",
	`{"history":[{"empty_layer":1,"EMPTY_LAYER":2}]}`:                                   "EMPTY_LAYER",
	`{"manifests":[{"platform":{"os":"1","Os":"2"}}]}`:                                  "Os",
	`[{"LayerSources":{"a":{"size":1,"Size":2}}}]`:                                      "Size",
	`[{"LayerSources":{"a":{},"A":{}}}]`:                                                "",
	`{"config":{"Labels":{"a":"","A":""},"labels":0}}`:                                  "labels",
	`{"config":{"ExposedPorts":{"80/tcp":{},"80/TCP":{}},"Volumes":{"/a":{},"/A":{}}}}`: "",
	`{"absent":[{"size":1,"Size":2}]}`:                                                  "Size",
	`{"rebuilt":[{"size":1,"Size":2}]}`:                                                 "Size",
	`{"rebuilt":[{"bases":[{"size":1,"Size":2}]}]}`:                                     "Size",
	`{"z":1,"b":1,"b":2,"z":3}`:                                                         "b",
	` { "a" : 1 ,` + "\n\t" + `"a" : 2 } `:                                              "a",
}

func TestUnique(t *testing.T) {
	for raw, want := range documents {
		if !json.Valid([]byte(raw)) {
			t.Fatalf("the test's own %s", raw)
		}
		err := jsonkeys.Unique([]byte(raw))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", raw, err)
		case want != "" && (err == nil || err.Error() != fmt.Sprintf("%q stands twice in one object", want)):
			t.Errorf("%s: %v; want it to name %q", raw, err, want)
		}
	}
	if err := jsonkeys.Unique([]byte(`{"":1,"":2}`)); err == nil {
		t.Error("a name of nothing may stand twice")
	}
}

func TestUniqueNames(t *testing.T) {
	if err := jsonkeys.UniqueNames([]byte(`{"app":{"v1":"x","V1":"y"},"App":{}}`)); err != nil {
		t.Errorf("names that differ in case: %v", err)
	}
	for _, raw := range []string{`{"app":{},"app":{}}`, `{"app":{"v1":"x","v\u0031":"y"}}`} {
		if err := jsonkeys.UniqueNames([]byte(raw)); err == nil {
			t.Errorf("%s is taken", raw)
		}
	}
}

func TestWild55UniqueRead(t *testing.T) {
	for raw, ok := range map[string]bool{
		`{"annotations":{"a":"1","a":"2"},"x":1,"x":2,"config":{"urls":[],"urls":[]}}`: true,
		`{"schemaVersion":2,"schemaVersion":2,"x":{"size":1,"size":2}}`:                true,
		`{"layers":[],"Layers":[]}`:                        false,
		`{"mediaType":"a","mediaType":"b"}`:                false,
		`{"layers":[{"digest":"a","digest":"b"}]}`:         false,
		`{"manifests":[{"platform":{"os":"a","OS":"b"}}]}`: false,
		`{"subject":{"size":1,"si\u007ae":2}}`:             false,
	} {
		if err := jsonkeys.UniqueRead([]byte(raw)); (err == nil) != ok {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// FuzzUnique compares it with a slow way that reads tokens.
func FuzzUnique(f *testing.F) {
	for raw := range documents {
		f.Add([]byte(raw))
	}
	for _, raw := range []string{`{"a`, `"`, `"\`, `{"a":1}}]`, `{"\ud800":1,"\udfff":2}`,
		"{\"\xff\":1,\"\xfe\":2}"} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := jsonkeys.Unique(raw)
		if !json.Valid(raw) {
			return
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if want := twice(t, d, fields); want != (got != nil) {
			t.Fatalf("%q: %v, want an error: %v", raw, got, want)
		}
	})
}

// What the keys of an object are.
const (
	fields = iota
	names
	sources // names of objects with fields
)

// below tells what the keys of the objects are that stand under a key.
func below(kind int, key string) int {
	is := func(k string) bool { return strings.EqualFold(k, key) }
	switch {
	case kind == sources:
		return fields
	case kind == fields && is("LayerSources"):
		return sources
	case kind == fields && slices.ContainsFunc([]string{"config", "container_config", "Healthcheck", "rootfs",
		"history", "manifests", "layers", "subject", "platform", "fsLayers", "absent", "rebuilt", "bases"}, is):
		return fields
	}
	return names
}

// twice reads one value, and reports whether a key stands twice in it.
func twice(t *testing.T, d *json.Decoder, kind int) (found bool) {
	token, err := d.Token()
	if err == io.EOF {
		return false
	}
	if err != nil {
		t.Skip(err) // numbers that are too large for it
	}
	var keys []string
	for token == json.Delim('{') && d.More() {
		name, err := d.Token()
		if err != nil {
			t.Skip(err)
		}
		key := name.(string)
		for _, k := range keys {
			found = found || k == key || kind == fields && strings.EqualFold(k, key)
		}
		keys = append(keys, key)
		found = twice(t, d, below(kind, key)) || found
	}
	for token == json.Delim('[') && d.More() {
		found = twice(t, d, kind) || found
	}
	if _, open := token.(json.Delim); open {
		if _, err := d.Token(); err != nil {
			t.Skip(err)
		}
	}
	return found
}

// BenchmarkUnique is what it costs beside parsing.
func BenchmarkUnique(b *testing.B) {
	entry := `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:` +
		strings.Repeat("0", 64) + `","size":1},`
	raw := []byte(`{"layers":[` + strings.Repeat(entry, 25000) + `{}]}`)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := jsonkeys.Unique(raw); err != nil {
			b.Fatal(err)
		}
	}
}
