package guide

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"drayage/internal/terminal"
	"drayage/internal/usage"
)

// sameCommand has what other tools call a command.
var sameCommand = map[string]string{
	"pull": "fetch", "download": "fetch",
	"images": "ls", "list": "ls", "list-tags": "ls", "tags": "ls", "catalog": "ls", "repos": "ls",
	"validate": "verify", "check": "verify",
	"rmi": "rm", "delete": "rm", "remove": "rm", "untag": "rm",
	"prune": "gc", "garbage-collect": "gc",
	"show": "inspect",
}

// nouns stand before a command in other tools: docker image ls, crane auth login, oras repo tags.
var nouns = []string{"auth", "registry", "image", "repo", "repository"}

// elsewhere has what drayage does not do. A line is what to type instead, as [fill] takes it.
var elsewhere = map[string]struct{ why, line string }{
	"load":        {"drayage needs no engine and loads into none; into a registry goes", pushLine},
	"import":      {"drayage needs no engine and loads into none; into a registry goes", pushLine},
	"sync":        {"a list of images comes into a layout with", "drayage fetch --from LIST -o DIR"},
	"mirror":      {"a list of images comes into a layout with", "drayage fetch --from LIST -o DIR"},
	"compose":     {"the images of a Compose project come into a layout with", composeLine},
	"helm":        {"the images of a chart come into a layout with", helmLine},
	"kubectl":     {"the images of manifests come out with", "drayage names FILE"},
	"search":      {"drayage searches no registry; the tags of a repository come with", "drayage ls REPOSITORY"},
	"export":      {"drayage unpacks no image; as a tar it comes with", "drayage save ARGS -o FILE"},
	"run":         {"drayage has no engine: it moves images and runs none; a tar for one comes with", saveLine},
	"create":      {"drayage has no engine: it moves images and runs none; a tar for one comes with", saveLine},
	"build":       {"drayage moves images and builds none; what docker build has made goes on with", dockerLine},
	"config-file": {"the file with settings, and what it sets, come with", "drayage settings"},
	"discover":    {"signatures and what else belongs to it show with", "drayage inspect ARGS --referrers"},
	"resolve":     {"the digest of a tag comes with", "drayage digest ARGS --list"},
	"history":     {"what an image is made of comes with", "drayage inspect ARGS"},
	"backup":      {"an image with all that it has goes into one tar with", wholeLine},
	"store":       {"a layout directory is the store; what hauler's commands are here comes with", comingLine},
	"registry":    {"what has crossed is served as a registry with", "drayage serve ARGS"},
	"info":        {"what a layout holds comes with", "drayage ls DIR"},
	"attach":      {"drayage carries what belongs to an image, and makes none", comingLine},
	"mutate":      {"drayage changes no images", comingLine},
	"append":      {"drayage changes no images", comingLine},
	"flatten":     {"drayage changes no images; shorter names come with", pushLine + " --flatten"},
	"ps":          {"drayage has no engine and no containers; what a layout holds comes with", "drayage ls DIR"},
}

const (
	composeLine = "drayage fetch --from compose.yaml -o DIR"
	helmLine    = "helm template CHART | drayage fetch --from - -o DIR"

	saveLine   = "drayage save ARGS -o FILE"
	pushLine   = "drayage push ARGS REGISTRY/"
	wholeLine  = "drayage save ARGS -o FILE --format oci --platform all"
	comingLine = "drayage docs coming-from"
	dockerLine = "docker save IMAGE | drayage push - REGISTRY/"
)

// translateCommand reads a command that there is not. Known are those that there are. It returns the words
// with a known command in front, or a usage error that says what to type.
func translateCommand(words, known []string) ([]string, error) {
	first, rest := words[0], words[1:]
	if slices.Contains(nouns, first) && len(rest) > 0 {
		if slices.Contains(known, rest[0]) {
			return rest, nil
		}
		return translateCommand(rest, known)
	}
	if first == "store" && len(rest) > 0 && rest[0] == "serve" && slices.Contains(known, rest[0]) { // hauler
		return rest, nil
	}
	if same := sameCommand[first]; slices.Contains(known, same) {
		return append([]string{same}, sameArguments(first, rest)...), nil
	}
	if e, ok := elsewhere[first]; ok {
		line := fill(e.line, arguments(rest))
		return words, usage.Errorf("there is no command %q: %s: %s", first, e.why, line)
	}
	if near := Nearest(first, append(slices.Clone(known), "pull", "cp", "images", "list")); near != "" {
		return words, usage.Errorf("there is no command %q: did you mean %s?", first, near)
	}
	return words, usage.Errorf("there is no command %q", first)
}

// sameArguments are the arguments of another tool's command: crane catalog takes a registry without a slash.
func sameArguments(command string, args []string) []string {
	if command == "catalog" || command == "repos" {
		for i, a := range args {
			if !strings.HasPrefix(a, "-") && !strings.Contains(a, "/") {
				args = slices.Clone(args)
				args[i] = a + "/"
				break
			}
		}
	}
	return args
}

// withoutVerb takes out the second word of docker manifest inspect, regctl manifest get, oras blob fetch, and
// the first one of regctl tag ls.
func withoutVerb(words []string) []string {
	nouns := []string{"manifest", "config", "blob"}
	verbs := []string{"inspect", "get", "fetch", "show"}
	if len(arguments(words)) > 2 && slices.Contains(nouns, words[0]) && slices.Contains(verbs, words[1]) {
		return append([]string{words[0]}, words[2:]...)
	}
	if len(arguments(words)) > 2 && words[0] == "tag" && words[1] == "ls" {
		return words[1:]
	}
	return words
}

// arguments are the words that are no flags.
func arguments(words []string) []string {
	isFlag := func(w string) bool { return strings.HasPrefix(w, "-") && w != "-" }
	return slices.DeleteFunc(slices.Clone(words), isFlag)
}

// fill puts the user's arguments into a line, all for ARGS and the first for FIRST. The word SOURCE stands
// for arguments that there are not.
func fill(line string, args []string) string {
	var words []string
	for _, a := range args {
		words = append(words, terminal.ShellWord(a))
	}
	if len(words) == 0 {
		words = []string{"SOURCE"}
	}
	return strings.NewReplacer("ARGS", strings.Join(words, " "), "FIRST", words[0]).Replace(line)
}

// local begins what other tools call a place that is no registry.
var local = regexp.MustCompile(`^(oci|oci-archive|docker-archive|oci-layout|oci-dir|ocidir|dir|` +
	`docker-daemon|containers-storage|file|tarball|docker-tar):(?:///?)?([^:]*)`)

// tarName is a name of a file that is a tar.
var tarName = regexp.MustCompile(`(?i)\.(tar|tgz|tar\.[a-z0-9]+)$`)

// WithOutput writes arguments with -o behind them for a line to type. The last argument is the output if
// something stands before it and it is a tar or a path where nothing is yet.
func WithOutput(args []string, usual string) string {
	words := slices.Clone(args)
	if last := len(words) - 1; last > 0 && isOutput(words[last]) {
		words, usual = words[:last], words[last]
	}
	for i, w := range words {
		words[i] = terminal.ShellWord(w)
	}
	return strings.Join(append(words, "-o", terminal.ShellWord(usual)), " ")
}

func isOutput(word string) bool {
	_, err := os.Stat(word)
	return err != nil && (tarName.MatchString(word) || local.MatchString(word))
}

// pushed returns a usage error with the line to type if push has one argument, or nil.
func pushed(args []string) error {
	if len(args) != 1 {
		return nil
	}
	arg := args[0]
	word := terminal.ShellWord(arg)
	if tarName.MatchString(arg) || local.MatchString(arg) {
		return usage.Errorf("push needs a DEST too: drayage push %s REGISTRY/ keeps the names of its images, "+
			"drayage push %[1]s REGISTRY/NAME:TAG gives one image a name", word)
	}
	return usage.Errorf("push needs a SOURCE and a DEST: drayage push DIR %s from a layout, "+
		"drayage push FILE %[1]s from a tar, docker save %[1]s | drayage push - %[1]s from Docker", word)
}
