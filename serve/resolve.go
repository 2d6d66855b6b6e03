package serve

import (
	"fmt"
	"net/http"
	"strings"
)

// maxChoices is how many repositories a message lists.
const maxChoices = 10

// repository finds the repository that a request means. ns is the registry for which containerd asks a
// mirror, or empty.
//
// With ns the full name is known, and nothing else is served under it: containerd asks every mirror of its
// default for every registry, and takes what it gets for what it asked. After a 404 it asks the next one.
// Without ns a client may mean any registry. The full name goes first, then the path at some registry, then
// the end of a path. That has to be unique. A full name may have dashes in its registry in place of a colon.
func (c *Catalog) repository(ns, path string) (*Repository, *problem) {
	if !validName(path) {
		return nil, nameInvalid(path)
	}
	host, rest := cutHost(path)
	full := path
	if host != "" {
		full = canonical(host) + "/" + rest
	}
	if ns != "" {
		return c.mirrored(canonical(ns), full)
	}
	for _, at := range []map[string]int{c.byName, c.byDashed, c.byPath, c.bySuffix} {
		switch i, found := at[full]; {
		case found && i == several:
			return nil, c.ambiguous(path)
		case found:
			return &c.repositories[i], nil
		}
	}
	return nil, nameUnknown(path)
}

// mirrored finds a repository of a registry. A path that begins with a registry is a full name too: whoever
// gives this registry another name sends that as ns.
func (c *Catalog) mirrored(ns, path string) (*Repository, *problem) {
	names := []string{ns + "/" + path}
	if host, _ := cutHost(path); host != "" {
		names = append(names, path)
	} else if ns == hub && !strings.Contains(path, "/") {
		names = append(names, hub+"/"+library+path)
	}
	for _, name := range names {
		if i, found := c.byName[name]; found {
			return &c.repositories[i], nil
		}
	}
	if i, found := c.byDashed[path]; found && i != several && strings.HasPrefix(path, dashed(ns)+"/") {
		return &c.repositories[i], nil
	}
	return nil, nameUnknown(names[0])
}

// ambiguous is the answer to the end of several repositories.
func (c *Catalog) ambiguous(path string) *problem {
	var choices []string
	more := 0
	for _, r := range c.repositories {
		if _, rest := cutHost(r.Name); rest == path || strings.HasSuffix(rest, "/"+path) {
			if len(choices) < maxChoices {
				choices = append(choices, r.Name)
			} else {
				more++
			}
		}
	}
	text := strings.Join(choices, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return &problem{http.StatusNotFound, codeNameUnknown,
		fmt.Sprintf("%s may be any of these repositories, name one in full: %s", path, text), nil}
}
