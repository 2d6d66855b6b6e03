package settings

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"drayage/internal/plaintext"
	"drayage/internal/secrets"
)

// maxFile bounds the file, in bytes.
const maxFile = 256 << 10

// Flags are the flags of each verb.
type Flags map[string]map[string]Kind

// kind returns the kind of a flag of a verb, or, without a verb, of any.
func (f Flags) kind(verb, flag string) (k Kind, known bool) {
	if verb != "" {
		k, known = f[verb][flag]
		return k, known
	}
	for _, v := range slices.Sorted(maps.Keys(f)) {
		if k, known = f[v][flag]; known {
			return k, true
		}
	}
	return 0, false
}

// Names lists the flags of all verbs.
func (f Flags) Names() []string {
	all := map[string]bool{}
	for _, flags := range f {
		for name := range flags {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// File is what a file sets. A nil File sets nothing.
type File struct {
	set []Setting // in the order of the file
}

// Reader reads files.
type Reader struct {
	Flags Flags
	Home  string // what ~ stands for
	// Suggest finds the word among all that is most like a wrong one, or returns the empty string.
	Suggest func(wrong string, all []string) string
}

// Read reads a file of at most 256 KiB. Errors name the file, and the line if there is one.
func (r Reader) Read(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	return r.Parse(path, raw)
}

// Parse is Read of what a file holds. Text may be in UTF-16 or begin with a byte order mark.
func (r Reader) Parse(path string, raw []byte) (*File, error) {
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d KiB: this is no file with settings", path, maxFile>>10)
	}
	raw = plaintext.UTF8(raw)
	var tables map[string]any
	if err := toml.Unmarshal(raw, &tables); err != nil {
		return nil, syntaxError(path, err)
	}
	p := parser{Reader: r, path: path, lines: linesOf(raw)}
	for name, value := range tables {
		_, isFlag := r.Flags.kind("", name)
		table, isTable := value.(map[string]any)
		switch {
		case isTable && r.Flags[name] != nil: // there may be a flag of that name too
			for key, value := range table {
				p.found = append(p.found, found{name, key, value})
			}
		case isTable && !isFlag:
			p.found = append(p.found, found{name, "", value})
		default:
			p.found = append(p.found, found{"", name, value})
		}
	}
	slices.SortFunc(p.found, func(a, b found) int {
		return cmp.Or(cmp.Compare(p.line(a), p.line(b)), strings.Compare(a.key, b.key))
	})
	return p.file()
}

// syntaxError is an error about text that is no TOML.
func syntaxError(path string, err error) error {
	message := strings.TrimPrefix(err.Error(), "toml: ")
	var at *toml.DecodeError
	if !errors.As(err, &at) {
		return fmt.Errorf("%s: %s", path, message)
	}
	line, _ := at.Position()
	if strings.Contains(message, "escape") {
		message += " (a Windows path stands in single quotes: 'C:\\certs')"
	}
	return fmt.Errorf("%s:%d: %s", path, line, message)
}

// found is a value in a file, at the top or in the table of a verb.
type found struct {
	verb, key string
	value     any
}

// parser makes settings of what has been found.
type parser struct {
	Reader
	path  string
	lines map[[2]string]int
	found []found
}

func (p *parser) line(f found) int {
	if n := p.lines[[2]string{f.verb, f.key}]; n > 0 {
		return n
	}
	return max(p.lines[[2]string{"", f.verb}], 1)
}

func (p *parser) file() (*File, error) {
	file, wrong := &File{}, []error(nil)
	for _, f := range p.found {
		s, err := p.setting(f)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s:%d: %w", p.path, p.line(f), err))
			continue
		}
		s.From = fmt.Sprintf("%s:%d", p.path, p.line(f))
		file.set = append(file.set, s)
	}
	if len(wrong) > 0 { // all at once: who mends one line should not meet the next
		return nil, errors.Join(wrong...)
	}
	return file, nil
}

func (p *parser) setting(f found) (Setting, error) {
	_, known := p.Flags.kind("", f.key)
	switch {
	case f.verb != "" && p.Flags[f.verb] == nil:
		return Setting{}, fmt.Errorf("there is no command %q%s", f.verb,
			p.didYouMean(f.verb, slices.Sorted(maps.Keys(p.Flags))))
	case !known:
		return Setting{}, fmt.Errorf("there is no setting %q%s", f.key, p.didYouMean(f.key, Keys(p.Flags)))
	case find(f.key) == nil:
		return Setting{}, refusal(f.key)
	}
	kind, known := p.Flags.kind(f.verb, f.key)
	if !known {
		return Setting{}, fmt.Errorf("the command %s has no %q", f.verb, f.key)
	}
	values, err := texts(f.value, kind)
	if err != nil {
		return Setting{}, fmt.Errorf("%q is %w", f.key, err)
	}
	if slices.ContainsFunc(values, func(v string) bool { return secrets.Redact(v) != v }) {
		return Setting{}, fmt.Errorf("%q has a password in it, which belongs elsewhere: see drayage login", f.key)
	}
	if find(f.key).path {
		for i := range values {
			values[i] = p.absolute(values[i])
		}
	}
	return Setting{Flag: f.key, Verb: f.verb, Values: values}, nil
}

func (p *parser) didYouMean(wrong string, all []string) string {
	if p.Suggest == nil {
		return ""
	}
	if word := p.Suggest(wrong, all); word != "" {
		return fmt.Sprintf(" (did you mean %s?)", word)
	}
	return ""
}

// absolute makes a path of the file independent of the directory in which drayage runs.
func (p *parser) absolute(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && p.Home != "" {
		return filepath.Join(p.Home, rest)
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(p.path), path)
}

// texts returns a value as it would stand on the command line.
func texts(value any, kind Kind) ([]string, error) {
	wrong := fmt.Errorf("%s", kind.describe())
	switch v := value.(type) {
	case string:
		if kind == Text || kind == List {
			return []string{v}, nil
		}
	case int64:
		if kind == Number || kind == Text { // a rate, for one
			return []string{strconv.FormatInt(v, 10)}, nil
		}
	case bool:
		if kind == Switch {
			return []string{strconv.FormatBool(v)}, nil
		}
	case []any:
		if kind != List {
			return nil, wrong
		}
		var all []string
		for _, element := range v {
			s, ok := element.(string)
			if !ok {
				return nil, wrong
			}
			all = append(all, s)
		}
		return all, nil
	}
	return nil, wrong
}

// Lookup returns what the file sets for a flag of a verb. The table of the verb counts first.
func (f *File) Lookup(verb, flag string) (Setting, bool) {
	if f == nil {
		return Setting{}, false
	}
	for _, in := range []string{verb, ""} {
		i := slices.IndexFunc(f.set, func(s Setting) bool { return s.Verb == in && s.Flag == flag })
		if i >= 0 {
			return f.set[i], len(f.set[i].Values) > 0
		}
	}
	return Setting{}, false
}

// All lists what the file sets, in its order.
func (f *File) All() []Setting {
	if f == nil {
		return nil
	}
	return f.set
}
