package notices

import "strings"

// phrases tell licences apart, the longer ones of a family first. All phrases of a row have to stand in the text.
var phrases = []struct {
	spdx  string
	parts []string
}{
	{"Apache-2.0", []string{"apache license", "version 2.0, january 2004"}},
	{"MPL-2.0", []string{"mozilla public license", "version 2.0"}},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose"}},
	{"ISC", []string{"permission to use, copy, modify, and distribute this software for any purpose"}},
	{"MIT", []string{"permission is hereby granted, free of charge", "the software is provided \"as is\""}},
	{"BSD-3-Clause", []string{"redistribution and use in source and binary forms", "endorse or promote"}},
	{"BSD-2-Clause", []string{"redistribution and use in source and binary forms"}},
	{"CC0-1.0", []string{"cc0 1.0 universal"}},
	{"Unlicense", []string{"this is free and unencumbered software"}},
}

// Identify returns SPDX's name of a licence, or nothing if the text is none that it knows.
func Identify(text []byte) string {
	words := strings.Join(strings.Fields(strings.ToLower(string(text))), " ")
	for _, p := range phrases {
		all := true
		for _, part := range p.parts {
			all = all && strings.Contains(words, part)
		}
		if all {
			return p.spdx
		}
	}
	return ""
}
