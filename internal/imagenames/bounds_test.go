package imagenames_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/imagenames"
	"drayage/internal/limits"
)

const pod = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: alpine:3.20\n"

// bomb stands for 9^n values.
func bomb(n int) string {
	var s strings.Builder
	s.WriteString("apiVersion: v1\nkind: Pod\nspec:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < n; i++ {
		a := fmt.Sprintf("*a%d", i-1)
		fmt.Fprintf(&s, "  a%d: &a%d [%s]\n", i, i, strings.Join([]string{a, a, a, a, a, a, a, a, a}, ", "))
	}
	return s.String()
}

func TestBounds(t *testing.T) {
	nested := strings.Repeat("[", limits.NamesDepth+1) + strings.Repeat("]", limits.NamesDepth+1)
	many := strings.Repeat("a,", limits.NamesValues)
	for name, c := range map[string]struct{ file, text, want string }{
		"aliases":           {"x.yaml", bomb(20), "stand for too many values"},
		"aliases in a loop": {"x.yaml", pod + "a: &a [*a, *a]\n", "stand for too many values"},
		"merged loop":       {"compose.yaml", "services:\n  a: &a\n    <<: *a\n    image: busybox\n", ""},
		"merged bomb": {"compose.yaml",
			"x: &x {<<: [*x, *x, *x]}\nservices:\n  a:\n    <<: *x\n", "neither image"},
		"depth of YAML":  {"x.yaml", pod + "a: " + nested + "\n", "exceeded max depth"},
		"depth of JSON":  {"x.json", `{"apiVersion":"v1","kind":"Pod","a":` + nested + "}", "too many in each other"},
		"values of YAML": {"x.yaml", pod + "a: [" + many + "]\n", "too many values"},
		"values of JSON": {"x.json", `{"a": [` + strings.Repeat("1,", limits.NamesValues) + "1]}", "too many values"},
		"a long line":    {"x.yaml", pod + strings.Repeat("x", limits.NamesDocument+limits.NamesDocument/2), "MiB"},
		"a long document": {"x.yaml", pod + strings.Repeat("# comment\n", limits.NamesDocument/10+1),
			"has more than 16 MiB: divide it"},
		"variables in a loop": {".gitlab-ci.yml", "a:\n  image: $A\n  variables: {A: x$A}\n", "in a circle"},
		"a large matrix": {".gitlab-ci.yml", "a:\n  image: $A\n  parallel: {matrix: [{A: [" +
			strings.Repeat("a,", 40) + "a], B: [" + strings.Repeat("b,", 40) + "b]}]}\n", "combinations"},
		"jobs that extend each other": {".gitlab-ci.yml", "a:\n  extends: [b, b]\nb:\n  extends: [a, a]\n",
			"stand for too many values"},
		"services that extend each other": {"compose.yaml",
			"services:\n  a: {extends: b}\n  b: {extends: a}\n", "which is not there"},
		"variables in each other": {"compose.yaml", "services:\n  a:\n    image: " +
			strings.Repeat("${A:-", 40) + "x" + strings.Repeat("}", 40), "too many variables in each other"},
	} {
		names, remarks := find(t, c.file, c.text)
		if all := strings.Join(remarks, "\n"); !strings.Contains(all, c.want) || c.want == "" && len(all) > 0 {
			t.Errorf("%s: %q, %.300q, want %q", name, names, all, c.want)
		}
	}
}

// TestManyPieces has more of everything than one document may have.
func TestManyPieces(t *testing.T) {
	item := "- apiVersion: v1\n  kind: Pod\n  spec:\n    containers:\n    - image: alpine:3.20\n"
	filler := "    - {name: \"" + strings.Repeat("x", 100) + "\", image: busybox}\n"
	item += strings.Repeat(filler, 200)
	n := limits.NamesValues/200/3 + 10
	names, remarks := find(t, "x", "apiVersion: v1\nitems:\n"+strings.Repeat(item, n)+"kind: List\n")
	if len(names) != 201*n || len(remarks) > 0 || names[0] != "7 alpine:3.20" {
		t.Errorf("%d names of %d items, %v", len(names), n, remarks)
	}
	names, remarks = find(t, "x", strings.Repeat("---\n"+pod, 1000))
	if len(names) != 1000 || names[999] != "6000 alpine:3.20" || len(remarks) > 0 {
		t.Errorf("%d names, %v", len(names), remarks)
	}
}

// TestForms has one pod in the forms in which editors and programs write text.
func TestForms(t *testing.T) {
	wide := func(s string) string {
		var w strings.Builder
		w.WriteString("\xff\xfe")
		for _, c := range s {
			w.WriteString(string([]byte{byte(c), byte(c >> 8)}))
		}
		return w.String()
	}
	for name, text := range map[string]string{
		"plain":       pod,
		"with a mark": "\ufeff" + pod,
		"UTF-16":      wide(pod),
		"Windows":     strings.ReplaceAll(pod, "\n", "\r\n"),
		"no end":      strings.TrimSpace(pod),
		"a directive": "%YAML 1.2\n---\n" + pod,
		"keys twice":  pod + "kind: Pod\nspec:\n  containers:\n  - image: alpine:3.20\n",
		"a tag":       "--- !<tag:example.test,2026:pod>\n" + pod,
		"JSON":        `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"alpine:3.20"}]}}`,
		"JSON with tabs": "{\t\"apiVersion\":\"v1\",\"kind\":\"Pod\",\n\t" +
			`"spec":{"containers":[{"image":"alpine:3.20"}]}}`,
		"YAML in braces":     "{apiVersion: v1, kind: Pod, spec: {containers: [{image: alpine:3.20}]}}",
		"JSON with a mark":   "\ufeff" + `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"alpine:3.20"}]}}`,
		"empty documents":    "---\n---\n# no\n---\n" + pod + "---\n...\n",
		"an escaped slash":   `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"alpine\u003a3.20"}]}}`,
		"JSON, several":      "{}\n" + `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"alpine:3.20"}]}}`,
		"spaces in the name": strings.ReplaceAll(pod, "alpine:3.20", `" alpine:3.20 "`),
	} {
		names, remarks := find(t, "x.yaml", text)
		if len(names) == 0 || !strings.HasSuffix(names[0], " alpine:3.20") || len(remarks) > 0 {
			t.Errorf("%s: %q, %q", name, names, remarks)
		}
	}
}

// Names come in the order of the file, and all that are there.
func TestOrder(t *testing.T) {
	names, _ := find(t, "compose.yaml", "services:\n  z: {image: z}\n  a: {image: a}\n  again: {image: z}\n")
	if diff := cmp.Diff([]string{"2 z", "3 a", "4 z"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, text := range []string{pod, `{"apiVersion":"v1","kind":"Pod"}`} {
		f := imagenames.Finder{Options: imagenames.Options{Valid: valid}}
		if err := f.Read(ctx, strings.NewReader(text), "x"); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

// TestRecognise has lists, and what is none.
func TestRecognise(t *testing.T) {
	for text, want := range map[string]bool{
		"alpine:3.20\nbusybox\n":            false,
		"- image: alpine\n- image: busybox": false,
		`["alpine", "busybox"]`:             false,
		"# kind: Pod\nalpine\n":             false,
		"docker pull alpine\n":              false,
		"":                                  false,
		pod:                                 true,
		`[{"apiVersion": "v1"}]`:            true,
		"FROM alpine AS a\n":                true,
		"services:\n":                       true,
	} {
		if got := imagenames.Recognise([]byte(text), "standard input", false); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
