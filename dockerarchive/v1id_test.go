package dockerarchive

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

// The golden ids were made outside of Go, by hashing strings that were put together by hand as Docker 20.10
// does it (image/v1/imagev1.go, CreateID): sorted keys at the top, the order of Docker's struct below, <>
// escaped.
const (
	goldenBase = "827a5f661bed3331421dc5b41ed19ef505abf1062da8c9850a85fbccddb616b5"
	goldenTop  = "d896043814937f59fc0dc594ea99279a27a3b9a4d7c0176007cf4dc24b1fccf2"
	goldenJSON = `{"id":"` + goldenTop + `","parent":"` + goldenBase +
		`","created":"2024-02-03T04:05:06.789Z",` +
		`"container_config":{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,` +
		`"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null},"author":"me",` +
		`"config":{"Hostname":"","Domainname":"","User":"65534","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,` +
		`"StdinOnce":false,"Env":["A=\u003cb\u003e"],"Cmd":["/bin/sh"],"Image":"","Volumes":null,"WorkingDir":"/w","Entrypoint":null,"OnBuild":null,"Labels":{"k":"v"}},` +
		`"architecture":"amd64","os":"linux"}`
	goldenConfig = `{"os":"linux","architecture":"amd64","author":"me","created":"2024-02-03T04:05:06.789Z","history":[{"created_by":"x"}],
		"config":{"User":"65534","Env":["A=<b>"],"Cmd":"/bin/sh","WorkingDir":"/w","Labels":{"k":"v"},"X-Unknown":1}}`
)

func TestV1Layers(t *testing.T) {
	base, top := digest.FromString("base"), digest.FromString("top")
	layers, err := v1Layers([]byte(goldenConfig), []digest.Digest{base, top})
	if err != nil {
		t.Fatal(err)
	}
	if layers[0].id != goldenBase || layers[1].id != goldenTop {
		t.Errorf("ids %s and %s", layers[0].id, layers[1].id)
	}
	if diff := cmp.Diff(goldenJSON, string(layers[1].json)); diff != "" {
		t.Errorf("json of the top layer (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		name, config string
		ids          []digest.Digest
		same         bool
	}{
		{"the same", goldenConfig, []digest.Digest{base, top}, true},
		{"with another history", strings.Replace(goldenConfig, `"x"`, `"y"`, 1), []digest.Digest{base, top}, true},
		{"with another author", strings.Replace(goldenConfig, `"me"`, `"you"`, 1), []digest.Digest{base, top},
			false},
		{"the other way around", goldenConfig, []digest.Digest{top, base}, false},
		{"alone", goldenConfig, []digest.Digest{top}, false},
	} {
		other, err := v1Layers([]byte(c.config), c.ids)
		if err != nil || (other[len(other)-1].id == goldenTop) != c.same {
			t.Errorf("%s: %v, %v", c.name, other, err)
		}
	}
}

func TestV1LayersOfOddConfigurations(t *testing.T) {
	if layers, err := v1Layers([]byte(`{}`), nil); err != nil || len(layers) != 0 {
		t.Errorf("no layers: %v, %v", layers, err)
	}
	// as Docker would not read them: wild case 4
	for _, odd := range []string{`{"created":1}`, `{"config":{"Cmd":[1]}}`} {
		if layers, err := v1Layers([]byte(odd), []digest.Digest{digest.FromString("x")}); err != nil ||
			len(layers) != 1 {
			t.Errorf("%s: %v, %v", odd, layers, err)
		}
	}
	for _, bad := range []string{``, `[]`} {
		if layers, err := v1Layers([]byte(bad), []digest.Digest{digest.FromString("x")}); err == nil {
			t.Errorf("%s: %v", bad, layers)
		}
	}
	layers, err := v1Layers([]byte(`{"id":"old","parent":"older","config":null}`),
		[]digest.Digest{digest.FromString("x")})
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ ID, Parent string }
	if err := json.Unmarshal(layers[0].json, &got); err != nil || got.ID != layers[0].id || got.Parent != "" {
		t.Errorf("an image's own id shows: %+v, %v", got, err)
	}
}
