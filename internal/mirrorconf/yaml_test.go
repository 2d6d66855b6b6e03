package mirrorconf_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"drayage/internal/mirrorconf"
)

// registriesYAML is what k3s and RKE2 read (https://github.com/rancher/wharfie, pkg/registries/types.go).
type registriesYAML struct {
	Mirrors map[string]struct {
		Endpoint []string          `yaml:"endpoint"`
		Rewrite  map[string]string `yaml:"rewrite"`
	} `yaml:"mirrors"`
	Configs map[string]struct {
		TLS struct {
			CAFile string `yaml:"ca_file"`
			Skip   bool   `yaml:"insecure_skip_verify"`
		} `yaml:"tls"`
	} `yaml:"configs"`
}

// object is what OpenShift takes of these kinds.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name      string `yaml:"name"`
		Namespace string `yaml:"namespace"`
	} `yaml:"metadata"`
	Data map[string]string `yaml:"data"`
	Spec struct {
		Digests []mirrorSet `yaml:"imageDigestMirrors"`
		Tags    []mirrorSet `yaml:"imageTagMirrors"`
	} `yaml:"spec"`
}

type mirrorSet struct {
	Source  string   `yaml:"source"`
	Mirrors []string `yaml:"mirrors"`
	Policy  string   `yaml:"mirrorSourcePolicy"`
}

// strictly reads all documents of a file. Fields that are not known are errors.
func strictly[T any](t *testing.T, f mirrorconf.File) (all []T) {
	t.Helper()
	d := yaml.NewDecoder(bytes.NewReader([]byte(f.Content)))
	d.KnownFields(true)
	for {
		var one T
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", f.Path, err, f.Content)
		}
		all = append(all, one)
	}
}

// TestYAML: every YAML file has the fields that its reader knows, and no others.
func TestYAML(t *testing.T) {
	for _, c := range cases {
		p := plan(t, c.mirror, c.dest, c.renaming, names...)
		files := map[string]mirrorconf.File{}
		for _, e := range mirrorconf.Engines {
			for _, f := range part(t, p, e).Files {
				files[f.Path] = f
			}
		}
		for _, e := range []string{"k3s", "rke2"} {
			read := strictly[registriesYAML](t, files[e+"/registries.yaml"])[0]
			if len(read.Mirrors) != len(p.Hosts) {
				t.Errorf("%s: %s has rules for %d of %d registries", c.name, e, len(read.Mirrors), len(p.Hosts))
			}
			tls := read.Configs[p.Mirror.Host].TLS
			if tls.Skip != c.mirror.SkipVerify || (tls.CAFile != "") != (c.mirror.CA != "") {
				t.Errorf("%s: %s has %+v", c.name, e, tls)
			}
		}
		sets := strictly[object](t, files["openshift/mirrors.yaml"])
		if len(sets) != 2 || len(sets[0].Spec.Digests) == 0 || len(sets[0].Spec.Digests) != len(sets[1].Spec.Tags) {
			t.Fatalf("%s: OpenShift gets %+v", c.name, sets)
		}
		for _, s := range append(sets[0].Spec.Digests, sets[1].Spec.Tags...) {
			if len(s.Mirrors) != 1 || (s.Policy == "NeverContactSource") == c.mirror.Fallback {
				t.Errorf("%s: %+v", c.name, s)
			}
		}
		if c.mirror.CA == "" {
			continue
		}
		ca := strictly[object](t, files["openshift/registry-ca.yaml"])[0]
		if got := ca.Data[strings.ReplaceAll(p.Mirror.Host, ":", "..")]; got != someCA {
			t.Errorf("%s: the ConfigMap has %q", c.name, ca.Data)
		}
	}
}
