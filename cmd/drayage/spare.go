package main

import (
	"cmp"
	"slices"
	"strings"

	"drayage/internal/source"
)

// spare refuses to write over what the command reads. An archive that save reads may become the new one.
func (c call) spare() error {
	keys := append(c.StringSlice("key"), c.String("sign"), c.String("sign-password-file"))
	reads := slices.Concat(c.StringSlice("since"), c.StringSlice("base"), []string{c.String("want")}, keys,
		c.lists())
	all := slices.Concat(reads, c.Args().Slice())
	stem := strings.TrimSuffix(strings.TrimSuffix(c.String("record"), ".html"), ".json")
	records := []string{stem + ".html", stem + ".json"}
	check := func(flag, out string, inputs []string) error {
		if in := source.Spoiled(out, inputs); in != "" {
			return usagef("%s %s would spoil %s, which is read: give it another name", flag, out, in)
		}
		return nil
	}
	errs := []error{check("--want-out", c.String("want-out"), append(slices.Clone(all), records...))}
	switch c.Command.Name {
	case "save":
		out, _ := source.ParseOutput(c.String("output")) // what is wrong with it is told later
		layouts := slices.DeleteFunc(slices.Clone(c.Args().Slice()), c.noLayout)
		errs = append(errs, check("-o", out.Path, append(reads, layouts...)))
	case "inventory":
		errs = append(errs, check("-o", c.String("output"), all))
	}
	if c.Command.Name != "verify" && c.String("record") != "" {
		errs = append(errs, check("--record", records[0], all), check("--record", records[1], all))
	}
	return cmp.Or(errs...)
}

// noLayout reports whether a SOURCE is something else than a directory.
func (c call) noLayout(text string) bool {
	spec, err := c.parseSource(text)
	return err != nil || spec.Kind != source.Layout
}
