package compose

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/sirupsen/logrus"

	"drayage/internal/imagenames"
	"drayage/registry"
)

func TestMain(m *testing.M) {
	logrus.SetOutput(io.Discard) // compose-go warns there of every variable that is not set
	os.Exit(m.Run())
}

// theirs are the images that docker compose config --images would print.
func theirs(t *testing.T, files, env, profiles []string) ([]string, error) {
	o, err := cli.NewProjectOptions(files, cli.WithEnv(env), cli.WithEnvFiles(), cli.WithDotEnv,
		cli.WithProfiles(profiles), cli.WithWorkingDirectory("."), cli.WithName("x"))
	if err != nil {
		return nil, err
	}
	project, err := o.LoadProject(t.Context())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range project.Services {
		if s.Image != "" {
			names = append(names, s.Image)
		}
		for _, v := range s.Volumes {
			if v.Type == "image" {
				names = append(names, v.Source)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// ours are the names that drayage finds.
func ours(t *testing.T, files, env, profiles []string) (names []string) {
	set := map[string]string{}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		set[name] = value
	}
	f := imagenames.Finder{Options: imagenames.Options{
		Profiles: profiles, Given: files,
		Valid: func(name string) error { _, err := registry.ParseTyped(name); return err },
		Env:   func(name string) (string, bool) { v, ok := set[name]; return v, ok },
	}}
	for _, path := range files {
		r, err := os.Open(path)
		if err == nil {
			err = f.Read(context.Background(), r, path)
			r.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range f.Names {
		names = append(names, n.Text)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// refused are files that compose-go takes as a whole or not at all, and refuses because of a part.
var refused = []string{"compose-unset", "compose-include"}

func TestFiles(t *testing.T) {
	paths, err := filepath.Glob("../../internal/imagenames/testdata/files/compose-*.txtar")
	if err != nil || len(paths) < 8 {
		t.Fatal(len(paths), "files:", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		t.Run(name, func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			for _, f := range ar.Files {
				write(t, f.Name, f.Data)
			}
			options := map[string][]string{}
			for _, word := range strings.Fields(string(ar.Comment)) {
				key, value, _ := strings.Cut(word, "=")
				options[key] = append(options[key], value)
			}
			want, err := theirs(t, options["file"], options["env"], options["profile"])
			if (err != nil) != slices.Contains(refused, name) {
				t.Fatalf("compose-go: %v", err)
			}
			got := ours(t, options["file"], options["env"], options["profile"])
			if err == nil && !slices.Equal(want, got) {
				t.Errorf("want %q, got %q", want, got)
			}
		})
	}
}

// Pieces of random files. Braces without a dollar sign are left out: compose-go loses count of them.
var (
	inValue = []string{"x", "1.2", "$A", "${B}", "${C:-d}", "${C-e}", "${A:+f}", "${E+g}", "${E:-h}",
		"${C:-${A:-i}}",
		"${B:+${E-j}}", "$$", "-", "_", ".", "${A?}", "${B:?no}", "$Z"}
	inLine = []string{"A=", "B=", "C=", "E=", "A: ", "export B=", "# A=", "C"}
	inEnv  = []string{"v", "2", "\"q\"", "'s$A'", "\"n$A\"", "${A:-d}", " # c", "#h", " ", "''",
		"$B", "\\", "a.b"}
)

func some(r *rand.Rand, from []string, most int) string {
	var s strings.Builder
	for range 1 + r.Intn(most) {
		s.WriteString(from[r.Intn(len(from))])
	}
	return s.String()
}

// TestRandom compares files with variables of all forms, and .env files of all forms.
func TestRandom(t *testing.T) {
	t.Chdir(t.TempDir())
	r := rand.New(rand.NewSource(1))
	compared := 0
	for i := range 1500 {
		var env strings.Builder
		for range r.Intn(5) {
			fmt.Fprintf(&env, "%s%s\n", inLine[r.Intn(len(inLine))], inEnv[r.Intn(len(inEnv))]+some(r, inEnv[:2], 1))
		}
		file := fmt.Sprintf("services:\n  a:\n    image: 'registry.test/a:%s'\n", some(r, inValue, 4))
		write(t, ".env", []byte(env.String()))
		write(t, "compose.yaml", []byte(file))
		process := []string{"B=outer"}[:r.Intn(2)]
		want, err := theirs(t, []string{"compose.yaml"}, process, nil)
		if err != nil {
			continue
		}
		if _, err := registry.ParseTyped(want[0]); err != nil {
			continue
		}
		compared++
		if got := ours(t, []string{"compose.yaml"}, process, nil); !slices.Equal(want, got) {
			t.Errorf("case %d: want %q, got %q of\n%s.env:\n%s", i, want, got, file, env.String())
		}
	}
	if compared < 300 {
		t.Errorf("only %d were compared", compared)
	}
}
