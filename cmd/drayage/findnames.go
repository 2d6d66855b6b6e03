package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"drayage/internal/imagenames"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/registry"
)

const namesHelp = `Prints the names of the images that files need, one a line and each once, in the order of
the files. It knows Compose files; Kubernetes YAML and JSON, also as helm template, kustomize build
and kubectl get -o yaml print it; the lists of kubeadm, k3s and RKE2, and any list with a name a line;
pipelines of GitLab, workflows of GitHub, and Dockerfiles. FILE may be - for standard input. Nothing
is asked of any registry.

What names no image though it needs one, such as a variable that is not set, is told with its
file and line. The other names are printed all the same, and the exit code is 7.

EXAMPLES:
   drayage names compose.yaml
   drayage names k8s/*.yaml | drayage fetch --from - -o images
   helm template my chart/ | drayage names -
   kustomize build overlays/prod | drayage names -
   drayage names operator.yaml --any     also from custom resources, arguments
   drayage names compose.yaml --where    FILE:LINE: NAME, for each place
   drayage names compose.yaml --profile '*' --env-file prod.env`

func namesCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "names",
		Category:    commandsLook,
		Usage:       "print the names of images that Compose files, manifests and pipelines need",
		UsageText:   "drayage names FILE...",
		Description: namesHelp,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "any", Category: groupWhat,
				Usage: "also what looks like an image elsewhere: at image: and repository: in any YAML, in arguments " +
					"and variables of containers"},
			&cli.StringSliceFlag{Name: "profile", Category: groupWhat,
				Usage: "of Compose files also the services with the profile `NAME`; * for all"},
			&listsFlag{cli.GenericFlag{Name: "env-file", Category: groupWhat, Value: new(paths),
				Usage: "read variables of Compose files from `FILE` instead of .env"}},
			&cli.BoolFlag{Name: "where", Category: groupOutput,
				Usage: "print FILE:LINE: NAME for each place, not each name once"},
		}, outputFlags()...),
		Action: env.run(call.names),
	}
}

// namesFound gathers what the verb names prints.
type namesFound struct {
	call
	source.Names
	lines  []string
	images []report.Image             // for --json only: one takes a kilobyte
	at     map[registry.Reference]int // in images
}

func (c call) names(context.Context) error {
	files := c.Args().Slice()
	if len(files) == 0 {
		return usagef("names needs a FILE, or - for standard input: drayage names compose.yaml")
	}
	n := &namesFound{call: c, at: map[registry.Reference]int{}}
	n.Parse = func(name string) (registry.Reference, error) {
		ref, err := registry.ParseTyped(name)
		if wrong := source.RefuseHost(name); wrong != nil {
			err = wrong
		}
		return ref, err
	}
	n.Placed = n.placed
	n.Find.Options = imagenames.Options{Env: os.LookupEnv, Given: files, Any: c.Bool("any"),
		Profiles: c.StringSlice("profile"), EnvFiles: c.paths("env-file")}
	for _, file := range files {
		r, called, err := c.openNames(file)
		if err != nil {
			return fmt.Errorf("names: %w", err)
		}
		err = n.Read(c.Context.Context, r, called)
		r.Close()
		if err != nil && !errors.Is(err, source.ErrNoName) {
			return fmt.Errorf("names %w", err)
		}
	}
	return n.finish()
}

// placed enters a name where it stands.
func (n *namesFound) placed(name imagenames.Name, ref registry.Reference) {
	i, known := n.at[ref]
	if !known {
		i = len(n.at)
		n.at[ref] = i
	}
	switch {
	case n.Bool("json"):
		if !known {
			n.images = append(n.images, report.Image{Name: name.Text, OK: true})
		}
		place := report.Place{File: name.File, Line: name.Line, In: name.In}
		n.images[i].Places = append(n.images[i].Places, place)
	case n.Bool("where"):
		n.lines = append(n.lines, fmt.Sprintf("%s:%d: %s", name.File, name.Line, name.Text))
	case !known:
		n.lines = append(n.lines, name.Text)
	}
}

// finish says what gave no name, and prints the names.
func (n *namesFound) finish() error {
	doc := report.Document{Images: append([]report.Image{}, n.images...)}
	for _, r := range n.Find.Remarks {
		doc.Remarks = append(doc.Remarks, report.Remark(r))
	}
	if err := n.result(doc, n.lines); err != nil {
		return err
	}
	wrong, more := n.Bad()
	return n.outcome(append(wrong, n.notePlaces(&n.Names)...), more)
}

// maxUnnamed is how many places are told that gave no name.
const maxUnnamed = 100

// outcome is the error about what gave no name.
func (n *namesFound) outcome(wrong []error, more int) error {
	total := len(wrong) + more
	switch {
	case total == 0 && len(n.at) == 0:
		return usagef("no image is named in %s", terminal.Count(n.NArg(), "file"))
	case total == 0:
		return nil
	case total == 1 && len(n.at) == 0:
		return wrong[0]
	}
	shown := min(len(wrong), maxUnnamed)
	for _, err := range wrong[:shown] {
		n.sayWrong("%v", err)
	}
	if shown < total {
		n.sayWrong("and %d more", total-shown)
	}
	err := fmt.Errorf("images may be missing from the list: %s gave no name", terminal.Count(total, "place"))
	if len(n.at) == 0 {
		return usagef("%v", err)
	}
	return &incomplete{err}
}
