package pullers

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// What is to be written is in the formats of the engines.
func TestFiles(t *testing.T) {
	for _, how := range []How{Trusted, SelfSigned, Plain} {
		for _, e := range For("10.0.0.7:5000", how) {
			if how == Trusted {
				if e.Path != "" || !strings.HasSuffix(e.Pull("x"), " pull x") {
					t.Errorf("%+v", e)
				}
				continue
			}
			if e.Path == "" || !strings.Contains(e.Path+e.Content, "10.0.0.7:5000") {
				t.Errorf("%+v", e)
			}
			var into any
			switch {
			case strings.HasSuffix(e.Path, ".json"):
				if err := json.Unmarshal([]byte(e.Content), &into); err != nil {
					t.Errorf("%s: %v", e.Content, err)
				}
			case strings.HasSuffix(e.Path, ".conf"), strings.HasSuffix(e.Path, ".toml"):
				if err := toml.Unmarshal([]byte(e.Content), &into); err != nil {
					t.Errorf("%s: %v", e.Content, err)
				}
			}
		}
	}
	for host, needs := range map[string]bool{"127.0.0.1:5000": false, "[::1]:5000": false,
		"localhost:5000": false, "10.0.0.7:5000": true, "reg.corp": true} {
		if e := For(host, Plain)[0]; (e.Path != "") != needs {
			t.Errorf("%s: %+v", host, e)
		}
	}
}

// What is told of a file is the certificate, or can be copied into the file as it stands.
func TestTold(t *testing.T) {
	for _, e := range For("10.0.0.7:5000", SelfSigned) {
		lines := e.Told()
		if !strings.HasPrefix(lines[0], e.Name) || !strings.Contains(lines[0], e.Path) {
			t.Errorf("%q", lines)
		}
		if e.Content == "" {
			continue
		}
		if e.Then == "" && strings.HasSuffix(lines[len(lines)-1], "# ") {
			t.Errorf("%q", lines)
		}
		if text := strings.Join(lines[1:], "\n"); !strings.Contains(text, "# the certificate goes to /etc/") {
			t.Errorf("%s", text)
		}
		var into any
		if strings.HasSuffix(e.Path, ".toml") {
			if err := toml.Unmarshal([]byte(strings.Join(lines[1:], "\n")), &into); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestValidHost(t *testing.T) {
	for host, ok := range map[string]bool{
		"127.0.0.1:5000": true, "reg.corp": true, "reg.corp:5000": true, "[::1]:5000": true, "[::1]": true,
		"": false, "a b": false, "<script>": false, "a/b": false, "a@b": false, "a:x": false, "a:": false,
		"a:123456": false, "-a": false, "a\"b:5000": false, "$(id)": false, "`id`:5000": false, "::% ": false,
		strings.Repeat("a", 300): false,
	} {
		if ValidHost(host) != ok {
			t.Errorf("%q: %t", host, !ok)
		}
	}
}

func FuzzValidHost(f *testing.F) {
	f.Add("127.0.0.1:5000")
	f.Add("[::1]:5000")
	f.Add("$(id):5000")
	f.Fuzz(func(t *testing.T, host string) {
		if ValidHost(host) && strings.ContainsAny(host, " \t\r\n\"'`$\\<>&;|(){}/@?#*!~") {
			t.Errorf("%q", host)
		}
	})
}
