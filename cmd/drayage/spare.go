package main

import (
	"slices"
	"strings"

	"drayage/internal/source"
)

// spare refuses to write over what the command reads. An archive that save reads may become the new one.
func (c call) spare() error {
	reads := slices.Concat(c.StringSlice("since"), c.StringSlice("base"), []string{c.String("want")})
	all := slices.Concat(reads, c.lists(), c.Args().Slice())
	record := strings.TrimSuffix(strings.TrimSuffix(c.String("record"), ".html"), ".json")
	output, in := "", source.Spoiled(c.String("want-out"), append(all, record+".html", record+".json"))
	switch {
	case in != "":
		return usagef("--want-out %s would spoil %s, which is read: give it another name", c.String("want-out"), in)
	case c.Command.Name == "save":
		out, _ := source.ParseOutput(c.String("output")) // what is wrong with it is told later
		output, in = out.Path, source.Spoiled(out.Path, reads)
	case c.Command.Name == "inventory":
		output, in = c.String("output"), source.Spoiled(c.String("output"), all)
	}
	if in != "" {
		return usagef("-o %s would spoil %s, which is read: give it another name", output, in)
	}
	return nil
}
