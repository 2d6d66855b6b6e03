package docs

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// foreign are flags of other programs that pages name alone, without the program. drayage understands some of
// them, and tells what to type in place of others.
var foreign = []string{"--all", "--all-platforms", "--dest-compress-level", "--override-arch", "--pull",
	"--raw", "--retry-times", "--tarball", "--tls-verify"}

// ours reports whether a piece of code is about drayage: a flag alone, a command of drayage, or its end.
func ours(text string, verbs []string) bool {
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return strings.HasPrefix(first, "-") || first == "drayage" || slices.Contains(verbs, first)
}

// help returns the help page of drayage, or of a command.
func help(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, append([]string{"help"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("help %q: %v\n%s", args, err, out)
	}
	return string(out)
}

var (
	verb    = regexp.MustCompile(`(?m)^   ([a-z]+)(, [a-z]+)?  +`)
	flag    = regexp.MustCompile(`--[a-z][a-z-]+`)
	listed  = regexp.MustCompile(`(?m)^ +(?:-[a-z], )?(--[a-z][a-z-]+)`)
	inCode  = regexp.MustCompile("`([^`]+)`")
	codeRow = regexp.MustCompile(`(?m)^\| ([0-9, ]+) \| ([^|]+)`)
)

// verbs are the commands that the help page lists.
func verbs(t *testing.T) (all []string) {
	for _, m := range verb.FindAllStringSubmatch(help(t), -1) {
		if m[1] != "drayage" {
			all = append(all, m[1])
		}
	}
	if len(all) < 15 {
		t.Fatalf("the help page lists only the commands %q", all)
	}
	return all
}

func TestFlagsExist(t *testing.T) {
	var flags []string
	all := verbs(t)
	for _, v := range append(all, "") {
		text := help(t)
		if v != "" {
			text = help(t, v)
		}
		for _, m := range listed.FindAllStringSubmatch(text, -1) {
			flags = append(flags, m[1])
		}
	}
	named, others := 0, map[string]bool{}
	for _, p := range pages(t) {
		for _, m := range inCode.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
			if !ours(m[1], all) {
				continue
			}
			for _, f := range flag.FindAllString(m[1], -1) {
				named, others[f] = named+1, true
				if !slices.Contains(flags, f) && !slices.Contains(foreign, f) {
					t.Errorf("%s: no command has the flag %s, named in %q", p.name, f, m[1])
				}
			}
		}
	}
	for _, f := range foreign {
		if !others[f] {
			t.Errorf("no page names %s any more: take it off the list", f)
		}
	}
	if named < 100 {
		t.Errorf("only %d flags were found", named)
	}
}

// meaning is the beginning of what an exit code means, as far as all tables have to agree.
func meaning(text string) string {
	text = strings.TrimSpace(text)
	if i := strings.IndexAny(text, ",:;("); i > 0 {
		text = text[:i]
	}
	return strings.TrimSpace(text)
}

// TestExitCodesAgree compares the tables of all pages with the help page.
func TestExitCodesAgree(t *testing.T) {
	_, text, ok := strings.Cut(help(t), "EXIT CODES:\n")
	if !ok {
		t.Fatal("the help page has no exit codes")
	}
	want := map[string]string{}
	for line := range strings.Lines(text) {
		if code, text, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			want[code] = meaning(text)
		}
	}
	tables := 0
	for _, p := range pages(t) {
		_, text, ok := strings.Cut(p.text, "| exit code | meaning |")
		if !ok {
			continue
		}
		tables++
		text, _, _ = strings.Cut(text, "\n\n")
		got := map[string]string{}
		for _, m := range codeRow.FindAllStringSubmatch(text, -1) {
			got[strings.TrimSpace(m[1])] = meaning(m[2])
		}
		for code, means := range want {
			if got[code] != means {
				t.Errorf("%s: exit code %s means %q, and drayage --help says %q", p.name, code, got[code], means)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s lists %d exit codes, and drayage --help %d", p.name, len(got), len(want))
		}
	}
	if tables == 0 {
		t.Error("no page has a table of exit codes")
	}
}

// TestFiguresAgree compares figures about reliability with the generated section that their row links to.
func TestFiguresAgree(t *testing.T) {
	all := pages(t)
	from, _ := find(all, "docs/security.md")
	to, _ := find(all, "docs/reliability.md")
	row := regexp.MustCompile(`(?m)^\| \[[^\]]*\]\(reliability\.md#([a-z-]+)\) \|(.*)$`)
	number := regexp.MustCompile(`[0-9]+`)
	rows := row.FindAllStringSubmatch(from.text, -1)
	for _, m := range rows {
		section := ""
		for part := range strings.SplitSeq(to.text, "\n## ") {
			if name, _, _ := strings.Cut(part, "\n"); strings.ReplaceAll(strings.ToLower(name), " ", "-") == m[1] {
				section += part
				break
			}
		}
		for _, n := range number.FindAllString(m[2], -1) {
			if !slices.Contains(number.FindAllString(section, -1), n) {
				t.Errorf("%s says %s of %s, which has no such figure", from.name, n, m[1])
			}
		}
	}
	if len(rows) < 5 {
		t.Errorf("only %d rows with figures were found", len(rows))
	}
}

// TestQuickStarts: a page for a task is short, and tells what to do when it fails.
func TestQuickStarts(t *testing.T) {
	const most = 130 // lines, which is two screens and the table at the end
	count := 0
	for _, p := range pages(t) {
		if !strings.HasPrefix(p.name, "docs/start/") {
			continue
		}
		count++
		if n := strings.Count(p.text, "\n"); n > most {
			t.Errorf("%s has %d lines, more than %d", p.name, n, most)
		}
		if !slices.Contains(p.anchors(), "when-it-fails") {
			t.Errorf("%s does not tell what to do when it fails", p.name)
		}
	}
	if count < 10 {
		t.Errorf("only %d quick starts were found", count)
	}
}
