package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// hung is how Go tells of an input that took ten seconds, or that ended the process.
const hung = "fuzzing process hung or terminated unexpectedly"

// stopper matches the input: one that Go has written to testdata, or a seed.
var stopper = regexp.MustCompile(
	`Failing input written to testdata/fuzz/Fuzz\w+/(\w+)|failure while testing seed corpus entry: Fuzz\w+/(\S+)`)

// onlySlow reports whether the input that stopped a target passes when it is tried again. Then only the
// machine was busy, or its disk: ten seconds are not much beside tests that write gigabytes. The input is not
// kept.
func (t *target) onlySlow(ctx context.Context, out string) bool {
	found := stopper.FindStringSubmatch(out)
	if found == nil || !strings.Contains(out, hung) {
		return false
	}
	input := found[1] + found[2]
	cmd := exec.CommandContext(ctx, t.binary, "-test.run=^"+t.name+"$/^"+regexp.QuoteMeta(input)+"$",
		"-test.count=5", "-test.timeout="+grace.String())
	cmd.Dir = t.dir
	if cmd.Run() != nil {
		return false
	}
	if found[1] != "" {
		_ = os.Remove(filepath.Join(t.dir, "testdata", "fuzz", t.name, input))
	}
	return true
}
