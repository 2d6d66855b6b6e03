package dockerv1_test

import (
	"encoding/json"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/dockerv1"
)

// FuzzConfig checks that what the configuration of an image is made of gives one that can be read, the same
// every time.
func FuzzConfig(f *testing.F) {
	for _, top := range []string{
		`{"id":"1","docker_version":"1.8.3","created":"2015-04-05T06:07:08.5Z","config":{"Cmd":"sh"}}`,
		`{"docker_version":"1.8.2","os":"linux","container_config":{"Cmd":["a"]}}`,
		`{"docker_version":"1.10.0","rootfs":{"diff_ids":["x"]},"history":1}`,
		`{"docker_version":"9999999999999999999.1"}`, `{"created":"x"}`, `null`, `[]`, `{`,
		`{"created":"0001-01-01T00:00:00Z"}`,
	} {
		f.Add([]byte(top))
	}
	f.Fuzz(func(t *testing.T, top []byte) {
		var im dockerv1.Image
		if json.Unmarshal(top, &im) != nil {
			return
		}
		history := []dockerv1.History{im.History(false)}
		made, err := dockerv1.Config(top, history, []digest.Digest{diffID})
		if err != nil {
			return
		}
		config, err := image.ParseConfig(made)
		ids, idErr := config.DiffIDs(1)
		if err != nil || idErr != nil || ids[0] != diffID {
			t.Fatalf("of %q is made %q, %v", top, made, err)
		}
		if again, err := dockerv1.Config(top, history, []digest.Digest{diffID}); err != nil ||
			string(again) != string(made) {
			t.Fatalf("of %q is made %q and %q, %v", top, made, again, err)
		}
	})
}
