package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"`)
	heading  = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	fence    = regexp.MustCompile("(?ms)^```.*?^```")
	code     = regexp.MustCompile("`[^`\n]*(?:\n[^`\n]+)?`")
	linkText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	marks    = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// links are the targets of the relative links of a page, from the root of the project.
func (p page) links() (all []string) {
	prose := code.ReplaceAllString(fence.ReplaceAllString(p.text, ""), "code")
	for _, m := range link.FindAllStringSubmatch(prose, -1) {
		target := m[1] + m[2]
		if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
			continue
		}
		file, anchor, found := strings.Cut(target, "#")
		if file == "" {
			file = p.name
		} else {
			file = path.Join(path.Dir(p.name), file)
		}
		if found {
			file += "#" + anchor
		}
		all = append(all, file)
	}
	return all
}

// anchors are the anchors of the headings of a page, as the usual hosts of Markdown make them.
func (p page) anchors() (all []string) {
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
		text := strings.ReplaceAll(linkText.ReplaceAllString(m[1], "$1"), "`", "")
		all = append(all, strings.ReplaceAll(strings.ToLower(marks.ReplaceAllString(text, "")), " ", "-"))
	}
	return all
}

func find(all []page, name string) (page, bool) {
	i := slices.IndexFunc(all, func(p page) bool { return p.name == name })
	if i < 0 {
		return page{}, false
	}
	return all[i], true
}

func TestLinks(t *testing.T) {
	all, followed := pages(t), 0
	for _, p := range all {
		for _, target := range p.links() {
			followed++
			file, anchor, _ := strings.Cut(target, "#")
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s: there is no %s", p.name, file)
				continue
			}
			to, ok := find(all, file)
			if anchor != "" && (!ok || !slices.Contains(to.anchors(), anchor)) {
				t.Errorf("%s: %s has no heading #%s", p.name, file, anchor)
			}
		}
	}
	if followed < 50 {
		t.Errorf("only %d links were found", followed)
	}
}

// TestReachable: a reader who begins at the contents finds every page.
func TestReachable(t *testing.T) {
	all := pages(t)
	const contents = "docs/README.md"
	seen, next := map[string]bool{contents: true}, []string{contents}
	for len(next) > 0 {
		p, ok := find(all, next[0])
		if next = next[1:]; !ok {
			continue
		}
		for _, target := range p.links() {
			file, _, _ := strings.Cut(target, "#")
			if !seen[file] {
				seen[file], next = true, append(next, file)
			}
		}
	}
	for _, p := range all {
		if !seen[p.name] {
			t.Errorf("no way leads from %s to %s", contents, p.name)
		}
	}
	first, _ := find(all, contents)
	for _, p := range all {
		if strings.HasPrefix(p.name, "docs/") && p.name != contents && !slices.Contains(first.links(), p.name) {
			t.Errorf("%s does not list %s", contents, p.name)
		}
	}
}
