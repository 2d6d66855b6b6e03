package upload_test

import (
	"bytes"
	"testing"

	"drayage/internal/fakeregistry"
	"drayage/upload"
)

// What the client says that it sent is what the registry received: layers as they were compressed, and
// nothing of what the registry had or could mount. What it says that it received is what the registry sent.
func TestSentIsWhatTheRegistryReceived(t *testing.T) {
	onSite(t, func(s *site) {
		soft := fakeregistry.PlainLayer(bytes.Repeat([]byte("compressible "), 100_000))
		im := savedImage{layers: []fakeregistry.Layer{soft, plain(1, 1000)}}
		target := s.to("team/app:1")
		target.Saved = s.saved(im)[0]
		s.good(upload.Options{}, target)
		m := s.manifestAt("team/app", "1")
		stored := m.Config.Size
		for _, l := range m.Layers {
			stored += l.Size
		}
		sent := s.client.Sent()
		if received := s.reg.Received("", "/blobs/uploads/"); sent != received || sent != stored {
			s.Errorf("%d bytes sent; %d received, %d stored", sent, received, stored)
		}
		if n := int64(len(soft.Content)); stored >= n {
			s.Errorf("%d bytes are stored of a layer of %d", stored, n)
		}
		for _, name := range []string{"team/app:2", "team/other:1"} { // there, and mounted
			again := s.to(name)
			again.Saved = target.Saved
			s.good(upload.Options{CacheDir: t.TempDir()}, again)
		}
		if n, told := s.reg.Sent("GET", "/blobs/"), s.client.Received(); n != told || n == 0 || n > stored {
			s.Errorf("%d bytes of blobs received, %d sent", told, n)
		}
		blobs := target.Blobs()
		if len(blobs) != 3 || len(s.planned) != 3 || blobs[1].Digest != soft.DiffID {
			s.Errorf("blobs %v, planned %v", blobs, s.planned)
		}
	})
}
