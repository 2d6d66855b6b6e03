package imagenames

import (
	"regexp"
	"slices"
	"strings"

	"drayage/internal/plaintext"
)

// dockerfile is what has been read of a Dockerfile
// (https://docs.docker.com/reference/dockerfile/).
type dockerfile struct {
	*Finder
	file   string
	args   map[string]string // that stand before the first FROM
	known  map[string]bool   // arguments without a value too
	stages map[string]bool
	built  bool // a FROM has come
}

// parserHint is a comment at the top that names the image which reads the file, or the escape character.
var parserHint = regexp.MustCompile(`^#\s*(syntax|escape)\s*=\s*(\S+)\s*$`)

// heredoc begins text that is no instruction.
var heredoc = regexp.MustCompile(`<<-?["']?([A-Za-z_]\w*)["']?`)

// mountFrom is the source of a mount of RUN.
var mountFrom = regexp.MustCompile(`--mount=(?:\S*,)?from=([^,\s]+)`)

// dockerfile takes the names of images that a Dockerfile builds on and copies from.
func (f *Finder) dockerfile(raw []byte, file string) {
	d := &dockerfile{Finder: f, file: file, args: map[string]string{}, known: map[string]bool{},
		stages: map[string]bool{}}
	lines := strings.Split(string(plaintext.UTF8(raw)), "\n")
	escape, top := `\`, true
	for i := 0; i < len(lines); i++ {
		text, line := strings.TrimSpace(lines[i]), i+1
		if m := parserHint.FindStringSubmatch(text); m != nil && top {
			if m[1] == "escape" {
				escape = m[2]
			} else {
				f.take(file, line, "syntax", m[2])
			}
			continue
		}
		if top = top && strings.HasPrefix(text, "#"); text == "" || text[0] == '#' {
			continue
		}
		for strings.HasSuffix(text, escape) && i+1 < len(lines) {
			i++
			if next := strings.TrimSpace(lines[i]); !strings.HasPrefix(next, "#") {
				text = strings.TrimSuffix(text, escape) + " " + next
			}
		}
		d.instruction(text, line)
		i += heredocs(text, lines[i+1:])
	}
}

// heredocs is how many lines belong to an instruction because it has << and a word that ends them.
func heredocs(text string, lines []string) (n int) {
	for _, h := range heredoc.FindAllStringSubmatch(text, 8) {
		end := slices.IndexFunc(lines[n:], func(l string) bool { return strings.TrimSpace(l) == h[1] })
		n += end + 1 // none if nothing ends it: then << is something else
	}
	return n
}

// instruction reads one instruction.
func (d *dockerfile) instruction(text string, line int) {
	words := strings.Fields(text)
	if len(words) > 1 && strings.EqualFold(words[0], "ONBUILD") {
		words = words[1:]
	}
	switch strings.ToUpper(words[0]) {
	case "ARG":
		d.declare(words[1:])
	case "FROM":
		d.from(words[1:], line)
	case "COPY", "ADD":
		for _, w := range words[1:] {
			if name, found := strings.CutPrefix(w, "--from="); found {
				d.takeFrom(name, line)
			}
		}
	case "RUN":
		for _, m := range mountFrom.FindAllStringSubmatch(text, -1) {
			d.takeFrom(m[1], line)
		}
	}
}

// declare enters arguments. Only those before the first FROM count for it.
func (d *dockerfile) declare(words []string) {
	for _, w := range words {
		name, value, set := strings.Cut(w, "=")
		if d.built {
			return
		}
		if d.known[name] = true; set {
			in := interpolation{get: d.get, loose: true}
			d.args[name], _ = in.all(strings.Trim(value, `"'`), 0)
		}
	}
}

func (d *dockerfile) get(name string) (string, bool) {
	if v, set := d.args[name]; set {
		return v, true
	}
	if d.known[name] && d.Env != nil {
		return d.Env(name)
	}
	return "", false
}

func (d *dockerfile) from(words []string, line int) {
	d.built = true
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		words = words[1:]
	}
	if len(words) == 0 {
		return
	}
	d.takeFrom(words[0], line)
	if len(words) == 3 && strings.EqualFold(words[1], "AS") {
		d.stages[strings.ToLower(words[2])] = true
	}
}

// takeFrom takes an image, unless the name is that of a stage or its number.
func (d *dockerfile) takeFrom(text string, line int) {
	in := interpolation{get: d.get, loose: true}
	name, err := in.all(strings.Trim(text, `"'`), 0)
	switch {
	case err != nil:
		d.missing(d.file, line, "%v", err)
	case d.stages[strings.ToLower(name)], name == "scratch", isNumber(name):
	case len(in.unset) > 0 && d.forPlatforms(text):
	case len(in.unset) > 0:
		d.missing(d.file, line, "%s needs %s, an argument without a value: set it in the environment", text,
			strings.Join(in.unset, ", "))
	default:
		d.take(d.file, line, "", name)
	}
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// forPlatforms reports whether a name that ends in a variable is that of some stage: base-$TARGETARCH.
func (d *dockerfile) forPlatforms(text string) bool {
	before, _, _ := strings.Cut(strings.ToLower(text), "$")
	for stage := range d.stages {
		if before != "" && strings.HasPrefix(stage, before) {
			return true
		}
	}
	return false
}
