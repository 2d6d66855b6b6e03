package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"drayage/internal/settings"
)

// bench is a command line whose commands do nothing but tell the value of a flag.
type bench struct {
	*testing.T
	flag string
	file string
}

// run runs a verb and returns the value of the flag, or the error.
func (b *bench) run(verb string, args ...string) string {
	b.Helper()
	env := newEnvironment(nil, os.Stdin, new(strings.Builder), new(strings.Builder))
	app := newApp(env)
	got := "no action"
	app.Command(verb).Action = func(c *cli.Context) error {
		if list := c.StringSlice(b.flag); list != nil {
			got = strings.Join(list, ",")
		} else if own, ok := c.Generic(b.flag).(fmt.Stringer); ok {
			got = own.String()
		} else {
			got = fmt.Sprint(c.Value(b.flag))
		}
		return nil
	}
	args, err := env.interpret(app, append([]string{"drayage", verb}, args...))
	if err == nil {
		err = app.RunContext(b.Context(), args)
	}
	if err != nil {
		return env.blame(err).Error()
	}
	return got
}

func (b *bench) write(text string) {
	b.Helper()
	if err := os.WriteFile(b.file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// samples are values of each kind: for the command line, a variable, the table of a verb, and the top.
var samples = map[settings.Kind][4]string{
	settings.Text: {"/a", "/b", "/c", "/d"}, settings.Number: {"1", "2", "3", "4"},
	settings.Time: {"1h0m0s", "2h0m0s", "3h0m0s", "4h0m0s"},
	settings.List: {"a", "b", "c", "d"}, settings.Switch: {"false", "true", "false", "true"},
}

// quoted is a value as it stands in the file.
func quoted(kind settings.Kind, value string) string {
	if kind == settings.Text || kind == settings.List || kind == settings.Time {
		return `"` + value + `"`
	}
	return value
}

// TestPrecedence tries every flag of every command: what stands on the command line counts before the
// variable, that before the table of the command in the file, that before the top of the file.
func TestPrecedence(t *testing.T) {
	all := flagsOf(newApp(newEnvironment(nil, nil, nil, nil)))
	keys := settings.Keys(all)
	for _, verb := range slices.Sorted(maps.Keys(all)) {
		for _, flag := range slices.Sorted(maps.Keys(all[verb])) {
			if flag == "config" { // names the file itself
				continue
			}
			t.Run(verb+" "+flag, func(t *testing.T) {
				b := &bench{t, flag, filepath.Join(t.TempDir(), "f.toml")}
				t.Setenv("DRAYAGE_CONFIG", b.file)
				b.write("")
				kind, v := all[verb][flag], samples[all[verb][flag]]
				if flag == "progress" { // it takes a few words only
					v = [4]string{"bar", "plain", "json", "none"}
				}
				if flag == "patch" { // so does it
					v = [4]string{"content", "true", "content", "true"}
				}
				if slices.Contains(keys, flag) {
					top := flag + " = " + quoted(kind, v[3]) + "\n"
					b.write(top)
					b.want("the file", v[3], verb)
					table := "[" + verb + "]\n" + flag + " = " + quoted(kind, v[2])
					b.write(top + table)
					b.want("the table of the command", v[2], verb)
				} else {
					b.write(flag + " = " + quoted(kind, v[3]))
					if got := b.run(verb); slices.ContainsFunc(keys, func(k string) bool {
						_, has := all[verb][k]
						return has
					}) && !strings.Contains(got, b.file+":1: \""+flag) {
						t.Errorf("the file may set it: %s", got)
					}
					b.write("")
				}
				t.Setenv(settings.Variable(flag), v[1])
				b.want("the variable", v[1], verb)
				args := []string{"--" + flag + "=" + v[0]}
				if flag == "shard-wait" || flag == "shard-look" { // they are refused alone
					args = append(args, "--shard=1/2")
				}
				b.want("the command line", v[0], verb, args...)
			})
		}
	}
}

func (b *bench) want(what, want, verb string, args ...string) {
	b.Helper()
	refused := fmt.Sprintf("%q", want) // a check of the flag has seen this value
	if got := b.run(verb, args...); got != want && !strings.Contains(got, refused) {
		b.Errorf("%s: %s, want %s", what, got, want)
	}
}

// TestBadVariables wants an error that names the variable or the line, whatever is wrong with a value.
func TestBadVariables(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct{ name, value, args string }{
		{"JOBS", "many", "fetch a -o b"}, {"QUIET", "maybe", "ls a"}, {"LIMIT_RATE", "fast", "fetch a -o b"},
		{"PLATFORM", "linux/", "fetch a -o b"}, {"PLATFORM", "all,linux/amd64", "fetch a -o b"},
		{"PLATFORM", "all", "save a -o b"}, {"FORMAT", "zip", "save a -o b"}, {"COMPRESS", "lzma", "save a -o b"},
		{"COMPRESSION", "lzma", "push a b.corp/c"}, {"MIRROR", "ftp://x", "fetch a -o b"},
		{"CA_FILE", "/nowhere/ca.pem", "fetch a -o b"}, {"AUTHFILE", "/nowhere/auth", "fetch a -o b"},
		{"CREDS", "ann", "fetch a -o b"}, {"REGISTRY", "ftp://x", "fetch a -o b"},
		{"FROM", "/nowhere/list", "fetch -o b"}, {"TAG", "A:b", "save a -o b"}, {"CONFIG", "/nowhere/f", "fetch a"},
	} {
		t.Run(tc.name+"="+tc.value, func(t *testing.T) {
			t.Chdir(dir)
			t.Setenv("DRAYAGE_"+tc.name, tc.value)
			_, stderr, code := command(t, strings.Fields(tc.args)...)
			if code == 0 || !strings.Contains(stderr, "DRAYAGE_"+tc.name) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d: %s", code, stderr)
			}
		})
	}
	file := filepath.Join(dir, "f.toml")
	if err := os.WriteFile(file, []byte("\nlimit-rate = 'fast'"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := command(t, "fetch", "a", "-o", "b", "--config", file)
	if code != exitUsage || !strings.Contains(stderr, "--limit-rate is set by "+file+":2") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// A password from a variable is used, and no message shows it.
func TestPasswordFromVariable(t *testing.T) {
	reg, host := lookingRegistry(t)
	reg.RequireBasic("ann", "hunter2")
	t.Setenv("DRAYAGE_CREDS", "ann:hunter2")
	if stdout, stderr, code := command(t, "ls", host+"/solo"); code != 0 {
		t.Errorf("%d: %s%s", code, stdout, stderr)
	}
	t.Setenv("DRAYAGE_CREDS", "hunter2:hunter2")
	for _, args := range [][]string{{"ls", host + "/solo"}, {"settings"}, {"settings", "--json"}} {
		stdout, stderr, _ := command(t, args...)
		if strings.Contains(stdout+stderr, ":hunter2") {
			t.Errorf("%v: %s%s", args, stdout, stderr)
		}
	}
}

// A setting for all runs does not stand against what one run asks for.
func TestSettingsGiveWay(t *testing.T) {
	_, host := lookingRegistry(t)
	t.Setenv("DRAYAGE_PLATFORM", "linux/arm64")
	index, _, code := command(t, "digest", host+"/team/app:1", "--list")
	if code != 0 || !strings.Contains(index, "@sha256:") {
		t.Errorf("digest --list: %d, %s", code, index)
	}
	t.Setenv("DRAYAGE_REFERRERS", "true")
	out := filepath.Join(t.TempDir(), "a.tar")
	if _, stderr, code := command(t, "save", host+"/team/app:1", "-o", out); code != 0 {
		t.Errorf("save: %d, %s", code, stderr)
	}
	if _, _, code := command(t, "save", host+"/team/app:1", "-o", out, "--referrers"); code != exitUsage {
		t.Errorf("save --referrers: %d", code)
	}
}

// docs/configuration.md ends with every flag and its variable, and says which of them the file may set. After
// a change of a flag: go test ./cmd/drayage -run TestConfigurationPage -update
func TestConfigurationPage(t *testing.T) {
	const page = "../../docs/configuration.md"
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	all := flagsOf(newApp(newEnvironment(nil, nil, nil, nil)))
	for _, flag := range all.Names() {
		key := ""
		if slices.Contains(settings.Keys(all), flag) {
			key = "`" + flag + "`"
		}
		want = append(want, fmt.Sprintf("| `--%s` | `%s` | %s |", flag, settings.Variable(flag), key))
	}
	prose, _, _ := strings.Cut(string(raw), "| `--")
	golden(t, page, prose+strings.Join(want, "\n")+"\n")
}
