package hostconfig

import "testing"

// encodings are the ways in which editors and shells save text.
var encodings = map[string]func(string) string{
	"byte order mark": func(s string) string { return "\xef\xbb\xbf" + s },
	"UTF-16": func(s string) string {
		wide := "\xff\xfe"
		for _, c := range []byte(s) {
			wide += string([]byte{c, 0})
		}
		return wide
	},
	"CRLF": func(s string) string {
		var lines string
		for _, c := range s {
			if c == '\n' {
				lines += "\r"
			}
			lines += string(c)
		}
		return lines
	},
}

func TestWild55Encodings(t *testing.T) {
	ca := newAuthority(t, "ca")
	for name, encode := range encodings {
		t.Run(name, func(t *testing.T) {
			f, _ := tree(t, map[string]string{
				"containerd/r.corp/hosts.toml": encode("server = \"https://up.corp\"\n[host.\"https://m.corp\"]\n"),
				"registries.conf":              encode("[[registry]]\nlocation = \"q.corp\"\nblocked = true\n"),
				"docker/d.corp/ca.crt":         encode(ca.pem),
			})
			if all, err := f.Endpoints("r.corp", "a"); err != nil || len(all) != 2 ||
				all[0].URL.Host != "m.corp" || all[1].URL.Host != "up.corp" {
				t.Errorf("hosts.toml: %v, %v", all, err)
			}
			if _, err := f.Endpoints("q.corp", "a"); err == nil {
				t.Error("registries.conf: not blocked")
			}
			if all, err := f.Endpoints("d.corp", "a"); err != nil || len(all[0].CAs) != 1 {
				t.Errorf("certificate: %v, %v", all, err)
			}
		})
	}
}
