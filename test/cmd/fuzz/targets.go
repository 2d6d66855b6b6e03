package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// target is a fuzz target in a test binary.
type target struct {
	pkg    string // from the module's root
	dir    string // of its sources
	binary string
	corpus string // where Go keeps what it has found worth trying
	name   string
	execs  int
}

// build compiles the tests of all packages with fuzz targets for fuzzing, and lists those whose names match.
func build(ctx context.Context, module, dir string, match *regexp.Regexp) ([]*target, error) {
	cache, err := output(ctx, module, "go", "env", "GOCACHE")
	if err != nil {
		return nil, err
	}
	listed, err := output(ctx, module, "go", "list", "-f", "{{.ImportPath}}\t{{.Dir}}\t{{.Module.Path}}",
		"./...")
	if err != nil {
		return nil, err
	}
	var all []*target
	var eg errgroup.Group
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for i, line := range strings.Split(listed, "\n") {
		fields := strings.Split(line, "\t")
		names, err := fuzzNames(fields[1], match)
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			continue
		}
		binary := filepath.Join(dir, fmt.Sprint(i))
		eg.Go(func() error {
			_, err := output(ctx, module, "go", "test", "-c", "-fuzz=.", "-o", binary, fields[0])
			return err
		})
		for _, name := range names {
			pkg := strings.TrimPrefix(strings.TrimPrefix(fields[0], fields[2]), "/")
			corpus := filepath.Join(cache, "fuzz", fields[0])
			all = append(all, &target{pkg: pkg, dir: fields[1], binary: binary, corpus: corpus, name: name})
		}
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no target matches %q", match)
	}
	return all, nil
}

var declared = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)

// fuzzNames finds the targets in the sources of a package, so that only packages that have any are built.
func fuzzNames(dir string, match *regexp.Regexp) (names []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, m := range declared.FindAllSubmatch(raw, -1) {
			if match.Match(m[1]) {
				names = append(names, string(m[1]))
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// output runs a command in dir and returns what it prints.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	raw, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(raw)), nil
}
