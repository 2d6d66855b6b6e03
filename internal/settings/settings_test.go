package settings_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/settings"
)

var flags = settings.Flags{
	"fetch": {"mirror": settings.List, "jobs": settings.Number, "ca-file": settings.Text, "creds": settings.Text,
		"save":  settings.Text,
		"quiet": settings.Switch, "insecure": settings.Switch,
		"output": settings.Text, "limit-rate": settings.Text},
	"save":   {"jobs": settings.Number, "format": settings.Text, "platform": settings.List},
	"verify": {"jobs": settings.Number},
}

var reader = settings.Reader{Flags: flags, Home: filepath.FromSlash("/home/ann"),
	Suggest: func(wrong string, all []string) string {
		i := slices.IndexFunc(all, func(s string) bool { return wrong != "" && s[0] == wrong[0] })
		if i < 0 {
			return ""
		}
		return all[i]
	}}

func TestVariable(t *testing.T) {
	if got := settings.Variable("ca-file"); got != "DRAYAGE_CA_FILE" {
		t.Error(got)
	}
}

func TestFromEnvironment(t *testing.T) {
	for _, tc := range []struct {
		kind settings.Kind
		text string
		want []string // nil: not set
		err  string
	}{
		{settings.Text, "", nil, ""},
		{settings.Text, "a, b", []string{"a, b"}, ""},
		{settings.Number, " 7 ", []string{"7"}, ""},
		{settings.Number, "many", nil, `DRAYAGE_X: "many" is no number`},
		{settings.Switch, "false", []string{"false"}, ""},
		{settings.Switch, "0", []string{"0"}, ""},
		{settings.Switch, "maybe", nil, `DRAYAGE_X: "maybe" is neither true nor false`},
		{settings.Time, "24h ", []string{"24h"}, ""},
		{settings.Time, "soon", nil, `DRAYAGE_X: "soon" is no time such as 24h`},
		{settings.List, "a, b,,c ", []string{"a", "b", "c"}, ""},
		{settings.List, " , ", nil, ""},
	} {
		s, ok, err := settings.FromEnvironment("x", tc.kind, func(name string) string {
			return map[string]string{"DRAYAGE_X": tc.text}[name]
		})
		if fmt.Sprint(err) != tc.err && (err != nil || tc.err != "") || ok != (tc.want != nil) ||
			ok && (!slices.Equal(s.Values, tc.want) || s.From != "DRAYAGE_X") {
			t.Errorf("%q: %+v, %v, %v", tc.text, s, ok, err)
		}
	}
}

func TestUnknown(t *testing.T) {
	got := settings.Unknown([]string{"DRAYAGE_JOBS=1", "DRAYAGE_JOB=1", "HOME=/"}, []string{"jobs"})
	if !slices.Equal(got, []string{"DRAYAGE_JOB"}) {
		t.Error(got)
	}
}

func TestPlace(t *testing.T) {
	for _, tc := range []struct {
		goos, home string
		env        map[string]string
		want       string
	}{
		{"linux", "/home/ann", nil, "/home/ann/.config/drayage/config.toml"},
		{"darwin", "/Users/ann", nil, "/Users/ann/.config/drayage/config.toml"},
		{"linux", "/home/ann", map[string]string{"XDG_CONFIG_HOME": "/etc/ann"}, "/etc/ann/drayage/config.toml"},
		{"linux", "/home/ann", map[string]string{"XDG_CONFIG_HOME": "relative"}, ""},
		{"linux", "", nil, ""},
		{"windows", "/ann", map[string]string{"AppData": "/roaming", "XDG_CONFIG_HOME": "/x"},
			"/roaming/drayage/config.toml"},
	} {
		got := settings.Place(tc.goos, tc.home, func(name string) string { return tc.env[name] })
		if filepath.ToSlash(got) != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
}

const file = "\ufeff" + `# The first line.
mirror = ["https://a.corp", "quay.io=https://b.corp"]
quiet = false
ca-file = "~/ca.pem"
limit-rate = 500000

jobs = 4
save = { format = "oci", jobs = 2 }

[fetch]
ca-file = "corp.pem"
mirror = []
`

func TestParse(t *testing.T) {
	f, err := reader.Parse("/etc/drayage.toml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range f.All() {
		got = append(got, fmt.Sprintf("%s %s %q %s", s.Verb, s.Flag, s.Values, s.From))
	}
	want := []string{
		` mirror ["https://a.corp" "quay.io=https://b.corp"] /etc/drayage.toml:2`,
		` quiet ["false"] /etc/drayage.toml:3`,
		` ca-file ["/home/ann/ca.pem"] /etc/drayage.toml:4`,
		` limit-rate ["500000"] /etc/drayage.toml:5`,
		` jobs ["4"] /etc/drayage.toml:7`,
		`save format ["oci"] /etc/drayage.toml:8`,
		`save jobs ["2"] /etc/drayage.toml:8`,
		`fetch ca-file ["/etc/corp.pem"] /etc/drayage.toml:11`,
		`fetch mirror [] /etc/drayage.toml:12`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, tc := range []struct{ verb, flag, want string }{
		{"save", "jobs", "[2]"}, {"verify", "jobs", "[4]"}, {"fetch", "mirror", "not set"},
		{"verify", "mirror", "[https://a.corp quay.io=https://b.corp]"}, {"fetch", "format", "not set"},
	} {
		got := "not set"
		if s, ok := f.Lookup(tc.verb, tc.flag); ok {
			got = fmt.Sprint(s.Values)
		}
		if got != tc.want {
			t.Errorf("%s %s: %s, want %s", tc.verb, tc.flag, got, tc.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"\n\nmiror = 'x'":                      `f.toml:3: there is no setting "miror" (did you mean mirror?)`,
		"zzz = 1":                              `f.toml:1: there is no setting "zzz"`,
		"\n[ftech]\njobs = 1":                  `f.toml:2: there is no command "ftech" (did you mean fetch?)`,
		"[jobs]\nx = 1":                        `f.toml:1: "jobs" is a number`,
		"jobs = 'four'":                        `f.toml:1: "jobs" is a number`,
		"jobs = 4.5":                           `f.toml:1: "jobs" is a number`,
		"quiet = 'yes'":                        `f.toml:1: "quiet" is true or false`,
		"mirror = [1]":                         `f.toml:1: "mirror" is a text or a list of texts`,
		"limit-rate = ['2M']":                  `f.toml:1: "limit-rate" is text in quotes`,
		"[save]\nmirror = 'x'":                 `f.toml:2: the command save has no "mirror"`,
		"[save.x]\ny = 1":                      `f.toml:1: there is no setting "x"`,
		"creds = 'ann:secret'":                 `f.toml:1: "creds" does not belong in this file: drayage login stores`,
		"mirror = 'https://ann:secret@m.corp'": `f.toml:1: "mirror" has a password in it, which belongs elsewhere`,
		"mirror = ['https://m', 'a.corp=https://secret@m']": `f.toml:1: "mirror" has a password in it`,
		"insecure = true":          `f.toml:1: "insecure" is not for all registries at once`,
		"output = 'x'":             `f.toml:1: "output" is for a single run: give --output or set DRAYAGE_OUTPUT`,
		"jobs = 1\njobs = 2":       `f.toml:2: `,
		"x":                        `f.toml:1: `,
		"ca-file = \"C:\\certs\"":  "single quotes",
		strings.Repeat("#", 1<<20): "f.toml: larger than 256 KiB",
	} {
		f, err := reader.Parse("f.toml", []byte(text))
		if f != nil || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

// The template sets nothing, and all that it shows is right.
// TestParseNamesEveryBadLine wants all lines that make no sense in one error, in their order.
func TestParseNamesEveryBadLine(t *testing.T) {
	_, err := reader.Parse("f.toml", []byte("jobs = \"many\"\n\nplattform = [\"x\"]\n[ftech]\njobs = 3\n"))
	lines := strings.Split(fmt.Sprint(err), "\n")
	want := []string{`f.toml:1: "jobs"`, `f.toml:3: there is no setting "plattform"`, `f.toml:`}
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%v", len(lines), err)
	}
	for i, w := range want {
		if !strings.HasPrefix(lines[i], w) {
			t.Errorf("line %d is not %s: %s", i, w, lines[i])
		}
	}
}

func TestTemplate(t *testing.T) {
	text := settings.Template(flags)
	if f, err := reader.Parse("t", []byte(text)); err != nil || len(f.All()) != 0 {
		t.Errorf("%v: %+v", err, f)
	}
	var lines []string
	for l := range strings.Lines(text) {
		if shown, ok := strings.CutPrefix(l, "#"); ok && !strings.HasPrefix(shown, " ") {
			l = shown
		}
		lines = append(lines, l)
	}
	f, err := reader.Parse("t", []byte(strings.Join(lines, "")))
	if err != nil || len(f.All()) != len(settings.Keys(flags))+1 {
		t.Errorf("%v: %+v", err, f)
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if _, err := reader.Read(path); !os.IsNotExist(err) {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("jobs = 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := reader.Read(path)
	if err != nil || len(f.All()) != 1 || f.All()[0].From != path+":1" {
		t.Errorf("%v, %+v", err, f)
	}
	if _, err := reader.Read(filepath.Dir(path)); err == nil {
		t.Error("a directory was read")
	}
}

// Whatever is in the file, each setting is of a flag that there is, and has a line of the file.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{file, "a.b.c = 1", "[[fetch]]\njobs=1", "save={jobs={}}", "\"\" = {jobs=1}",
		"[fetch]\n'jobs'=1\n[save]", "\xff\xfea\x00=\x001\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		parsed, err := reader.Parse("f", raw)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Error(err)
			}
			return
		}
		for _, s := range parsed.All() {
			var line int
			if _, err := fmt.Sscanf(s.From, "f:%d", &line); err != nil || line < 1 ||
				line > strings.Count(string(raw), "\n")+1 {
				t.Errorf("%+v", s)
			}
			if s.Verb != "" && flags[s.Verb] == nil {
				t.Errorf("%+v", s)
			}
			if got, ok := parsed.Lookup("fetch", s.Flag); ok && len(got.Values) == 0 {
				t.Errorf("%+v", got)
			}
		}
	})
}

func TestAbout(t *testing.T) {
	set := map[string]settings.Setting{
		"compression":       {Values: []string{"lzma"}, From: "DRAYAGE_COMPRESSION"},
		"compression-level": {Values: []string{"20"}, From: "f:2"},
		"quiet":             {Values: []string{"true"}, From: "f:3"},
		"mirror":            {Values: []string{"http://a", "http://b"}, From: "f:4"},
	}
	for message, want := range map[string]string{
		"--compression-level 20":     "--compression-level is set by f:2",
		"--compression is wrong":     "--compression is set by DRAYAGE_COMPRESSION",
		`there is no "lzma"`:         "--compression is set by DRAYAGE_COMPRESSION",
		"that is true: 20 lzmas":     "",
		"http://b: down":             "--mirror is set by f:4",
		"--mirror http://x, --quiet": "--mirror is set by f:4, --quiet is set by f:3",
	} {
		if got := settings.About(message, set); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}

func TestGather(t *testing.T) {
	f, err := reader.Parse("f", []byte("jobs = 3\n[save]\njobs = 4\nformat = 'oci'"))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"DRAYAGE_JOBS": "7", "DRAYAGE_CREDS": "ann:pw"}
	found, err := settings.Gather(flags, f, func(name string) string { return env[name] })
	var got []string
	for _, s := range found {
		got = append(got, strings.TrimSpace(fmt.Sprint(s.Verb, " ", s.Flag, s.Shown(), s.From, " ", s.Beaten)))
	}
	want := []string{"creds[ann:***]DRAYAGE_CREDS", "jobs[7]DRAYAGE_JOBS", "jobs[3]f:1 DRAYAGE_JOBS",
		"save jobs[4]f:3 DRAYAGE_JOBS", "save format[oci]f:4"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	env["DRAYAGE_JOBS"] = "x"
	if _, err := settings.Gather(flags, f, func(name string) string { return env[name] }); err == nil {
		t.Error("a bad variable is none")
	}
}
