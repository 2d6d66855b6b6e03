package lenient_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/jsonkeys"
	"drayage/internal/lenient"
)

type inner struct {
	N    int               `json:"n"`
	List []string          `json:"list"`
	Map  map[string]string `json:"map"`
}

type embedded struct {
	E string `json:"e"`
}

type outer struct {
	embedded
	OS      string    `json:"os"`
	Created time.Time `json:"created"`
	In      inner     `json:"in"`
	Pointer *inner    `json:"pointer"`
	All     []inner   `json:"all"`
	Bytes   []byte    `json:"bytes"`
	Plain   bool
}

func TestWild55Decode(t *testing.T) {
	for raw, want := range map[string]outer{
		`{}`: {}, `null`: {}, `[]`: {}, `"x"`: {}, ``: {}, `{"os":"a"`: {},
		`{"os":"linux","in":{"n":1}}`:                           {OS: "linux", In: inner{N: 1}},
		`{"os":7,"created":"never","in":{"n":2}}`:               {In: inner{N: 2}},
		`{"created":"","in":{"n":"3","list":["a"]}}`:            {In: inner{List: []string{"a"}}},
		`{"in":{"list":["a",1,null,"b"]}}`:                      {In: inner{List: []string{"a", "", "", "b"}}},
		`{"in":{"map":{"a":1,"b":"c","d":null}}}`:               {In: inner{Map: map[string]string{"b": "c", "d": ""}}},
		`{"in":{"map":[1],"list":{}}}`:                          {},
		`{"in":[],"os":"linux"}`:                                {OS: "linux"},
		`{"pointer":{"n":4,"list":1}}`:                          {Pointer: &inner{N: 4}},
		`{"pointer":null,"os":1}`:                               {},
		`{"all":[{"n":5},{"n":"x"},7]}`:                         {All: []inner{{N: 5}, {}, {}}},
		`{"bytes":"!","os":"linux"}`:                            {OS: "linux"},
		`{"bytes":"YQ==","os":1,"plain":true}`:                  {Bytes: []byte("a"), Plain: true},
		`{"os":"linux","OS":"windows"}`:                         {OS: "linux"},
		`{"OS":"windows","os":"linux"}`:                         {OS: "linux"},
		`{"OS":"windows"}`:                                      {OS: "windows"},
		`{"Os":"b","OS":"a"}`:                                   {OS: "a"},
		`{"os":"a","os":"b"}`:                                   {OS: "b"},
		`{"in":{"n":1},"In":{"n":2,"list":["a"]}}`:              {In: inner{N: 1}},
		`{"in":{"n":99999999999999999999},"os":"linux"}`:        {OS: "linux"},
		`{"in":{"n":1e99},"os":"linux"}`:                        {OS: "linux"},
		`{"e":"x","os":1}`:                                      {embedded: embedded{"x"}},
		"{\"os\":\"a\xffb\",\"created\":1}":                     {OS: "a\ufffdb"},
		`{"created":"2024-02-03T04:05:06Z","in":7,"other":[1]}`: {Created: time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)},
	} {
		var got outer
		lenient.Decode([]byte(raw), &got)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(outer{})); diff != "" {
			t.Errorf("%s:\n%s", raw, diff)
		}
	}
}

func TestDescriptor(t *testing.T) {
	const needed = `"mediaType":"m","digest":"sha256:d","size":3`
	plain := v1.Descriptor{MediaType: "m", Digest: "sha256:d", Size: 3}
	with := func(f func(*v1.Descriptor)) v1.Descriptor { d := plain; f(&d); return d }
	for raw, want := range map[string]v1.Descriptor{
		`{` + needed + `}`: plain,
		`{` + needed + `,"urls":"x","annotations":[],"data":7,"platform":"linux","artifactType":1}`: with(
			func(d *v1.Descriptor) { d.Platform = &v1.Platform{} }),
		`{` + needed + `,"annotations":{"a":1,"b":"c"}}`: with(func(d *v1.Descriptor) {
			d.Annotations = map[string]string{"b": "c"}
		}),
		`{` + needed + `,"platform":{"os":"linux","architecture":"arm","variant":7,"os.version":[1]}}`: with(
			func(d *v1.Descriptor) { d.Platform = &v1.Platform{OS: "linux", Architecture: "arm"} }),
		`{` + needed + `,"platform":null,"urls":null,"data":null}`: plain,
	} {
		var got lenient.Descriptor
		if err := json.Unmarshal([]byte(raw), &got); err != nil || !reflect.DeepEqual(v1.Descriptor(got), want) {
			t.Errorf("%s: %+v, %v", raw, got, err)
		}
	}
	for _, raw := range []string{`[]`, `"x"`, `{"size":"3"}`, `{"size":1.5}`, `{"digest":1}`, `{"mediaType":{}}`} {
		if err := json.Unmarshal([]byte(raw), new(lenient.Descriptor)); err == nil {
			t.Errorf("%s is taken", raw)
		}
	}
}

// FuzzDecode checks that what json.Unmarshal takes, and has no key twice, is read the same, and that nothing
// else fails.
func FuzzDecode(f *testing.F) {
	for _, raw := range []string{`{"os":"linux","in":{"n":1,"map":{"a":"b"}},"all":[{"n":2}]}`, `{"os":1,"OS":"a"}`,
		`{"created":"","in":{"list":[1]},"pointer":{"n":"1"}}`, `[[[`, "{\"os\":\"\xff\"}", `{"bytes":"!"}`} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got, again, strict outer
		lenient.Decode(raw, &got)
		lenient.Decode(raw, &again)
		if diff := cmp.Diff(got, again, cmp.AllowUnexported(outer{})); diff != "" {
			t.Fatalf("read differently the second time:\n%s", diff)
		}
		var odd struct {
			OS lenient.Text
			In lenient.Value[inner]
			A  lenient.Value[[]map[string]inner]
		}
		if err := json.Unmarshal(raw, &odd); json.Valid(raw) && len(raw) > 0 && raw[0] == '{' && err != nil {
			t.Fatalf("a lenient field fails: %v", err)
		}
		if json.Unmarshal(raw, &strict) == nil && jsonkeys.Unique(raw) == nil &&
			!cmp.Equal(strict, got, cmp.AllowUnexported(outer{})) {
			t.Fatalf("%+v, want %+v", got, strict)
		}
	})
}
