package complete

import (
	"os"
	"slices"
	"strings"

	"drayage/internal/guide"
	"drayage/internal/natural"
	"drayage/internal/source"
)

// value completes the value of a flag. skip bytes stand before the value in the same word.
func (c Completer) value(f guide.Flag, word string, skip int) Reply {
	if words := guide.Choices(f.Names[0]); words != nil {
		prefix := ""
		if i := strings.LastIndex(word, ","); f.Repeats && i >= 0 {
			prefix = word[:i+1] // of a list
		}
		return listed(words).behind(prefix)
	}
	switch placeholder, _ := guide.Unquote(f.Usage); placeholder {
	case "FILE":
		return path(word, skip, Files)
	case "DIR":
		return path(word, skip, Directories)
	}
	return Reply{}
}

func listed(words []string) (r Reply) {
	for _, w := range words {
		r.Candidates = append(r.Candidates, Candidate{Word: w})
	}
	return r
}

// kinds may stand before a path.
var kinds = []string{"oci:", "oci-archive:", "docker-archive:"}

// path completes the name of a file, behind the kind of what it holds if that has been typed.
func path(word string, skip int, paths Paths) Reply {
	for _, k := range kinds {
		if strings.HasPrefix(word, k) {
			if paths = Files; k == "oci:" {
				paths = Directories
			}
			return Reply{Paths: paths, Skip: skip + len(k)}
		}
	}
	return Reply{Paths: paths, Skip: skip}
}

// argument completes an argument by the placeholder that stands for it in the form of the command.
func (c Completer) argument(at position, before []string, word string) Reply {
	placeholder := placeholder(at.command, at.args)
	switch placeholder {
	case "COMMAND":
		return Reply{Candidates: c.commands()}
	case "IMAGE":
		return c.tags(before, word)
	case "SOURCE":
		return c.source(at.command, before, word)
	case "oci:DIR:NAME":
		return c.inLayout(word)
	case "DIR":
		return path(word, 0, Directories)
	case "REPOSITORY|REGISTRY|LAYOUT|FILE", "FILE":
		return path(word, 0, Files)
	}
	if strings.ToLower(placeholder) == placeholder && strings.Contains(placeholder, "|") {
		return listed(strings.Split(placeholder, "|"))
	}
	return Reply{Candidates: slices.Clone(c.Words[placeholder])}
}

// placeholder stands in the form of a command for its argument with a number. In the form SOURCE... DEST the
// last is not known while more may follow.
func placeholder(command *guide.Command, number int) string {
	words := strings.Fields(command.Usage)
	for i, w := range words[min(2, len(words)):] {
		w = strings.TrimSuffix(strings.Trim(w, "[]"), "]...")
		switch bare, repeats := strings.CutSuffix(w, "..."); {
		case strings.HasPrefix(bare, "-"):
			return ""
		case repeats, i == number:
			return bare
		}
	}
	return ""
}

// source completes a SOURCE: a path, an image in a layout, an image in a registry.
func (c Completer) source(command *guide.Command, before []string, word string) Reply {
	if strings.HasPrefix(word, "oci:") {
		return c.inLayout(word)
	}
	if flag(command, "mirror") != nil { // it reads from registries
		if r := c.tags(before, word); r.Candidates != nil {
			return r
		}
	}
	r := path(word, 0, Files)
	if word != "" && r.Skip == 0 { // who has typed nothing mostly means a path
		r.Candidates = listed(kinds).Candidates
	}
	return r
}

// inLayout completes oci:DIR:NAME. The longest path that exists is the DIR.
func (c Completer) inLayout(word string) Reply {
	rest, ok := strings.CutPrefix(word, "oci:")
	if !ok {
		return listed([]string{"oci:"})
	}
	for end := len(rest) - 1; end > 0; end-- {
		if rest[end] == ':' && isDir(rest[:end]) {
			dir := word[:len("oci:")+end+1]
			return Reply{Candidates: named(c.Images(rest[:end]), word[len(dir):])}.behind(dir)
		}
	}
	return path(word, 0, Directories)
}

func isDir(name string) bool {
	fi, err := os.Stat(name)
	return err == nil && fi.IsDir()
}

// named are the images whose names begin like a word. The end of a name from a slash on is enough to name an
// image, and is offered where no other image has it.
func named(names []string, word string) (all []Candidate) {
	ends := map[string]int{}
	for _, n := range names {
		ends[end(n)]++
	}
	for _, n := range names {
		if e := end(n); ends[e] == 1 && strings.HasPrefix(e, word) && isSafe(n) {
			all = append(all, Candidate{e, n})
		} else if strings.HasPrefix(n, word) {
			all = append(all, Candidate{Word: n})
		}
	}
	return all
}

// end is a name from its last slash before the tag on.
func end(name string) string {
	before, _, _ := strings.Cut(name, "@")
	return name[strings.LastIndex(before, "/")+1:]
}

// tags completes REPOSITORY:TAG.
func (c Completer) tags(before []string, word string) Reply {
	i := strings.LastIndex(word, ":")
	if i <= 0 || strings.ContainsAny(word, "@ ") || strings.Contains(word[i:], "/") || isPath(word) {
		return Reply{}
	}
	repository := word[:i]
	if slices.Contains(kinds, word[:i+1]) || isPath(repository) || source.RegistryOf(word[:i+1]+"1") != "" {
		return Reply{}
	}
	tags := c.Tags(before, repository)
	tags = slices.DeleteFunc(tags, func(t string) bool { return !strings.HasPrefix(t, word[i+1:]) })
	natural.Sort(tags)
	return listed(tags).behind(word[:i+1])
}

func isPath(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
