package inspect_test

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/inspect"
)

// What a configuration says in an odd form is shown as far as it can be read, and never an error (wild case
// 4).
func TestReadOddConfigurations(t *testing.T) {
	layer := image.Describe(v1.MediaTypeImageLayer, []byte("layer"))
	for name, c := range map[string]struct {
		raw  string
		want inspect.Config
	}{
		"an empty date": {`{"os":"linux","created":"","config":{"User":"me"}}`,
			inspect.Config{User: "me"}},
		"numbers and truth": {`{"os":"linux","config":{"User":1000,"Labels":{"a":1,"b":true,"c":"x"}}}`,
			inspect.Config{User: "1000", Labels: map[string]string{"a": "1", "b": "true", "c": "x"}}},
		"a bare command": {`{"os":"linux","config":{"Cmd":"sh","Entrypoint":["/a","b"]}}`,
			inspect.Config{Cmd: []string{"sh"}, Entrypoint: []string{"/a", "b"}}},
		"ports that are a list": {`{"os":"linux","config":{"ExposedPorts":["80/tcp"],"WorkingDir":"/"}}`,
			inspect.Config{WorkingDir: "/"}},
		"no configuration to run": {`{"os":"linux","config":"none","author":"me"}`, inspect.Config{Author: "me"}},
		"a key twice":             {`{"os":"linux","config":{"User":"a","User":"b"}}`, inspect.Config{User: "b"}},
		"twice but for case":      {`{"os":"linux","config":{"User":"a","user":"b"}}`, inspect.Config{User: "a"}},
		"an odd list":             {`{"os":"linux","config":{"Env":["A=1",2,null]}}`, inspect.Config{Env: []string{"A=1", "2", ""}}},
		"a byte order mark":       {"\ufeff" + `{"os":"linux","config":{"User":"me"}}`, inspect.Config{User: "me"}},
	} {
		src := &image.MemorySource{Content: map[digest.Digest][]byte{}}
		put := func(mediaType, raw string) v1.Descriptor {
			d := image.Describe(mediaType, []byte(raw))
			src.Content[d.Digest] = []byte(raw)
			return d
		}
		config := put(v1.MediaTypeImageConfig, c.raw)
		root := put(v1.MediaTypeImageManifest, `{"schemaVersion":2,"config":{"mediaType":"`+config.MediaType+
			`","digest":"`+
			config.Digest.String()+`","size":`+strconv.FormatInt(config.Size, 10)+`},"layers":[{"mediaType":"`+
			layer.MediaType+`","digest":"`+
			layer.Digest.String()+`","size":5}]}`)
		im, err := inspect.Read(t.Context(), src, root, inspect.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(&c.want, im.Platforms[0].Config); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
