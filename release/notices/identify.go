package notices

import (
	"slices"
	"strings"
)

// phrases tell licences apart. All phrases of a row have to stand in the text.
var phrases = []struct {
	spdx  string
	parts []string
}{
	{"Apache-2.0", []string{"apache license", "version 2.0, january 2004"}},
	{"BSD-3-Clause", []string{"redistribution and use in source and binary forms", "endorse or promote"}},
	{"BSD-2-Clause", []string{"redistribution and use in source and binary forms"}},
	{"CC0-1.0", []string{"cc0 1.0 universal"}},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose"}},
	{"ISC", []string{"permission to use, copy, modify, and distribute this software for any purpose"}},
	{"MIT", []string{"permission is hereby granted, free of charge", "the software is provided \"as is\""}},
	{"MPL-2.0", []string{"mozilla public license", "version 2.0"}},
	{"Unlicense", []string{"this is free and unencumbered software"}},
}

// Identify returns SPDX's names of the licences in a text. A text may hold several, one for each part of a
// module.
func Identify(text []byte) (found []string) {
	words := strings.Join(strings.Fields(strings.ToLower(string(text))), " ")
	for _, p := range phrases {
		stands := func(part string) bool { return strings.Contains(words, part) }
		if p.spdx == "BSD-2-Clause" && slices.Contains(found, "BSD-3-Clause") {
			continue // its text is a part of the longer one's
		}
		if !slices.ContainsFunc(p.parts, func(part string) bool { return !stands(part) }) {
			found = append(found, p.spdx)
		}
	}
	return found
}

// licence is the expression for all texts of a module.
func licence(texts []Text) string {
	var all []string
	for _, t := range texts {
		all = append(all, Identify(t.Body)...)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " AND ")
}
