// Package secrets finds passwords in the arguments of the process, keeps them out of the list of processes,
// which all users of a machine can read, and masks them in messages.
package secrets

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// flags are the flags whose values have passwords.
var flags = []string{"creds", "password", "p", "src-creds", "dest-creds", "src-password", "dest-password"}

// alike are flags whose names begin like those with passwords.
var alike = []string{"password-stdin", "password-file", "plain-http", "platform"}

// Hide returns a copy of the process's arguments, os.Args, and overwrites the passwords in the originals,
// which the system shows. Others can see a password for some milliseconds after the start of the process.
func Hide(args []string) []string { return hide(args, wipe) }

func hide(args []string, wipe func(string)) []string {
	safe := make([]string, len(args))
	for i, arg := range args {
		safe[i] = strings.Clone(arg)
		if s := inArgument(safe, i); s != "" {
			wipe(arg[strings.LastIndex(arg, s):][:len(s)])
		}
	}
	return safe
}

// inArgument returns the password in an argument, or nothing.
func inArgument(args []string, i int) string {
	arg := args[i]
	name, value, ok := strings.Cut(arg, "=")
	switch {
	case i > 1 && isSecret(args[i-1]):
		return password(args[i-1], arg)
	case ok && isSecret(name):
		return password(name, value)
	case ok && strings.TrimLeft(name, "-") == "password-stdin" && value != "true" && value != "false":
		return value
	case strings.HasPrefix(arg, "-"):
		if cut := CutFlag(arg); cut != arg {
			return password(cut, arg[len(cut):])
		}
	}
	if from, to := userinfo(arg); from < to {
		return arg[from:to]
	}
	return ""
}

func isSecret(flag string) bool {
	return strings.HasPrefix(flag, "-") && slices.Contains(flags, strings.TrimLeft(flag, "-"))
}

// CutFlag returns a flag without what may be a password that was written to it without a space: -p of -pPW.
func CutFlag(flag string) string {
	name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
	dashes := len(flag) - len(strings.TrimLeft(flag, "-"))
	if dashes == 0 || slices.Contains(flags, name) || slices.Contains(alike, name) {
		return flag
	}
	for _, f := range flags {
		if (len(f) > 1 || dashes == 1) && strings.HasPrefix(name, f) {
			return flag[:dashes+len(f)]
		}
	}
	return flag
}

// password is the password in the value of a flag. In the value of --creds and its like it follows the user's
// name.
func password(flag, value string) string {
	if !strings.HasSuffix(flag, "creds") {
		return value
	}
	_, password, _ := strings.Cut(value, ":")
	return password
}

// minKnown is how long a password is that is masked wherever it stands: short ones are in many words.
const minKnown = 4

// mask stands for a secret.
const mask = "***"

// Masking returns a function that masks the passwords in the arguments of the process, and what [Redact]
// does, in messages.
func Masking(args []string) func(text string) string {
	var known []string
	for i := range args {
		s := inArgument(args, i)
		user := i > 0 && slices.Contains(args[:i], s) // as in -u admin -p admin
		if s != "" && !user && !slices.Contains(known, s) {
			known = append(known, s)
			if q := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s); q != s {
				known = append(known, q)
			}
		}
	}
	return func(text string) string { return Cover(Redact(text), known...) }
}

// Cover masks secrets in a text, wherever they are no part of a longer word.
func Cover(text string, known ...string) string {
	slices.SortFunc(known, func(a, b string) int { return len(b) - len(a) })
	for _, s := range known {
		if len(s) >= minKnown {
			text = replaceWord(text, s)
		}
	}
	return text
}

// replaceWord masks a secret where it is no part of a longer word.
func replaceWord(text, secret string) string {
	var b strings.Builder
	for {
		i := strings.Index(text, secret)
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(secret):])
		b.WriteString(text[:i])
		if isWord(before) || isWord(after) {
			b.WriteString(secret)
		} else {
			b.WriteString(mask)
		}
		text = text[i+len(secret):]
	}
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

var wordPattern = regexp.MustCompile(`\S+`)

// queryPattern matches what lets its holder in, in the query of a URL.
var queryPattern = regexp.MustCompile(`(?i)([?&][\w.%-]*(?:token|sig|signature|secret|password)=)[^&\s"'()]+`)

// Redact masks passwords that stand before the host in names and URLs, user:PASSWORD@host/app, and tokens and
// signatures in the queries of URLs.
func Redact(text string) string {
	text = queryPattern.ReplaceAllString(text, "${1}"+mask)
	if !strings.Contains(text, "@") {
		return text
	}
	return wordPattern.ReplaceAllStringFunc(text, func(word string) string {
		if from, to := userinfo(word); from < to {
			return word[:from] + mask + word[to:]
		}
		return word
	})
}

var (
	digestPattern = regexp.MustCompile(`@(sha\d+:|[a-z0-9+._-]+:[0-9a-fA-F]{32})`)
	kindPattern   = regexp.MustCompile(`^\W*(oci|oci-archive|docker-archive):`)
	portPattern   = regexp.MustCompile(`^\d+(/|$)`)
	// addressPattern ends where a URL has its user, or a network path such as //user@host. Shells and people
	// leave out a slash or double one.
	addressPattern = regexp.MustCompile(`://+|^\W*//+`)
)

// userinfo finds the password, or the token, before the host of a name or URL. It returns two equal numbers
// if there is none.
func userinfo(word string) (from, to int) {
	end := len(word)
	if i := digestPattern.FindStringIndex(word); i != nil {
		end = i[0]
	}
	at := strings.LastIndexByte(word[:end], '@')
	if at < 0 {
		return 0, 0
	}
	start := len(kindPattern.FindString(word[:at]))
	isURL := false
	if i := addressPattern.FindStringIndex(word[:at]); i != nil {
		start, isURL = i[1], true
	}
	user, rest, ok := strings.Cut(word[start:at], ":")
	drive := len(user) == 1 && (strings.HasPrefix(rest, `\`) || strings.HasPrefix(rest, "/"))
	switch {
	case strings.Contains(user, "/"), drive && !isURL, ok && portPattern.MatchString(rest):
		return 0, 0
	case ok:
		return start + len(user) + 1, at
	case isURL:
		return start, at
	}
	return 0, 0
}
