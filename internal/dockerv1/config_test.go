package dockerv1_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"drayage/internal/dockerv1"
)

const diffID = "sha256:8bd1fff99793dbbb7f7bc52b2061dd9170596acdad8917afb90deda5875dc04b"

func TestConfig(t *testing.T) {
	const (
		date    = `"created":"2015-04-05T06:07:08.5Z"`
		history = `"history":[{"created":"2015-04-05T06:07:08.5Z","author":"me","created_by":"a b"}]`
		rootfs  = `"rootfs":{"type":"layers","diff_ids":["` + diffID + `"]}`
		made    = history + "," + rootfs
		none    = `{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null}`
		layer   = `"id":"1","parent":"2","Size":3,"parent_id":"4","layer_id":"5","throwaway":true`
	)
	for _, c := range []struct{ name, top, want string }{
		{"what is of the layer goes, what is unknown stays",
			`{` + layer + `,"zoo":{"b":1,"a":2},"docker_version":"1.8.3",` + date + `,"config":{"Novel":[1]}}`,
			`{"config":{"Novel":[1]},` + date + `,"docker_version":"1.8.3",` + made + `,"zoo":{"b":1,"a":2}}`},
		{"white space goes", "{\n \"docker_version\" : \"1.10.0\" }", `{"docker_version":"1.10.0",` + made + `}`},
		{"of an old Docker only what is known stays",
			`{` + layer + `,"zoo":1,"docker_version":"1.8.2",` + date + `,"os":"linux"}`,
			`{"container_config":` + none + `,` + date + `,"docker_version":"1.8.2",` + history + `,"os":"linux",` +
				rootfs + `}`},
		{"without a version likewise", `{` + date + `,"zoo":1}`, `{"container_config":` + none + `,` + date + `,` +
			made + `}`},
	} {
		entries := []dockerv1.History{{Created: time.Date(2015, 4, 5, 6, 7, 8, 5e8, time.UTC), Author: "me",
			CreatedBy: "a b"}}
		got, err := dockerv1.Config([]byte(c.top), entries, []digest.Digest{diffID})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
	// Wild case 4: odd fields stay.
	for top, want := range map[string]string{
		`{"created":"yesterday"}`: `{"created":"yesterday","history":null,"rootfs":{"type":"layers"}}`,
		`{"config":{"Cmd":[1]}}`:  `{"config":{"Cmd":[1]},"history":null,"rootfs":{"type":"layers"}}`,
	} {
		if got, err := dockerv1.Config([]byte(top), nil, nil); err != nil || string(got) != want {
			t.Errorf("%s became %s, %v", top, got, err)
		}
	}
	for _, top := range []string{"", "null", "[]", `{"id":1}`} {
		if got, err := dockerv1.Config([]byte(top), nil, nil); err == nil {
			t.Errorf("%q became %s", top, got)
		}
	}
}

// The versions between which Docker draws the line, and some that are none.
func TestConfigOfVersions(t *testing.T) {
	for version, exact := range map[string]bool{
		"": false, "dev": false, "0.7.6": false, "1.8": false, "1.8.2": false, "1.8.3-rc1": false, "1.8.3": true,
		"1.8.3.1": true, "1.9.0-dev": true,
		"1.10.0": true, "17.03.1-ce": true, "swarm-1.2.0": false, "1..9": false, "99999999999999999999": true,
		"-1.9": false,
	} {
		raw, err := json.Marshal(map[string]string{"docker_version": version, "unknown": "x"})
		if err != nil {
			t.Fatal(err)
		}
		config, err := dockerv1.Config(raw, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(config, &fields); err != nil {
			t.Fatal(err)
		}
		if _, kept := fields["unknown"]; kept != exact {
			t.Errorf("version %q: unknown fields kept: %v, want %v", version, kept, exact)
		}
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string]string{
		`"/bin/sh -c x"`: `["/bin/sh -c x"]`, `""`: `[""]`, `[]`: `[]`, `["a","b"]`: `["a","b"]`, `null`: `null`,
		`{"a":1}`: "", `[1]`: "", `1`: "",
	} {
		var w dockerv1.Words
		err := json.Unmarshal([]byte(in), &w)
		got, _ := json.Marshal(w)
		if (err == nil) != (want != "") || err == nil && string(got) != want {
			t.Errorf("%s became %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestHistory(t *testing.T) {
	im := dockerv1.Image{Author: "me", Comment: "c",
		ContainerConfig: dockerv1.ContainerConfig{Cmd: dockerv1.Words{"/bin/sh", "-c", "x y"}}}
	want := dockerv1.History{Author: "me", Comment: "c", CreatedBy: "/bin/sh -c x y", EmptyLayer: true}
	if diff := cmp.Diff(want, im.History(true)); diff != "" {
		t.Error(diff)
	}
}
