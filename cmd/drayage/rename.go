package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/secrets"
	"drayage/internal/source"
	"drayage/registry"
	"drayage/upload"
)

// renameFlags say what images are called below DEST/.
func renameFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "keep-host", Category: groupWhere,
			Usage: "with DEST/: keep the registry of each name too, " +
				"as in DEST/docker.io/library/alpine:3.20"},
		&cli.StringSliceFlag{Name: "strip-prefix", Category: groupWhere,
			Usage: "with DEST/: take `PREFIX/` off the paths of images, " +
				"as in team/, or ghcr.io/team/ of one registry only"},
		&cli.BoolFlag{Name: "flatten", Category: groupWhere,
			Usage: "with DEST/: keep only the last part of each path, " +
				"as in DEST/alpine:3.20"},
		&cli.StringFlag{Name: "map", Category: groupWhere,
			Usage: "with DEST/: take names from `FILE`, with FROM and TO in each line; " +
				"both end in / for all that begin so"},
	}
}

// destination reads DEST and what images are called there. With --registry it is a repository there.
func (c call) destination(text string) (upload.Destination, error) {
	if base := c.String("registry"); base != "" {
		host, err := hostOf(base)
		if err != nil {
			return upload.Destination{}, err
		}
		text = registry.TrimScheme(text)
		text = host + "/" + strings.TrimPrefix(strings.TrimPrefix(text, host), "/")
	} else if source.RefuseHost(text) != nil {
		return upload.Destination{}, usagef("%q looks like a registry: end it with / to keep the names of images, "+
			"or give %[1]s/REPOSITORY:TAG", secrets.Redact(text))
	}
	dest, err := upload.ParseDestination(text)
	if err != nil {
		return dest, err
	}
	r := upload.Renaming{
		KeepHost: c.Bool("keep-host"), Flatten: c.Bool("flatten"), Strip: c.StringSlice("strip-prefix"),
	}
	path := c.String("map")
	if !r.KeepHost && !r.Flatten && len(r.Strip) == 0 && path == "" {
		return dest, nil
	}
	if r.Mapping, err = mapping(path); err != nil {
		return dest, err
	}
	if dest, err = dest.Rename(r); err != nil {
		return dest, usagef("%s: %v", strings.Join(c.renaming(), ", "), err)
	}
	return dest, nil
}

// renaming lists the flags that rename images.
func (c call) renaming() (given []string) {
	for _, f := range renameFlags() {
		if name := f.Names()[0]; c.IsSet(name) {
			given = append(given, "--"+name)
		}
	}
	return given
}

// mapping reads --map.
func mapping(path string) (upload.Mapping, error) {
	if path == "" {
		return upload.Mapping{}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return upload.Mapping{}, fmt.Errorf("--map: %w", err)
	}
	defer f.Close()
	return upload.ParseMapping(f, path)
}

// noteUnfit notes rules of --map that none of the images fits: a registry before FROM is easily forgotten.
func (c call) noteUnfit(dest upload.Destination, images []registry.Reference) {
	if unfit := dest.Unfit(images); len(unfit) > 0 {
		c.note("note: no image here fits %s", source.List(unfit))
	}
}
