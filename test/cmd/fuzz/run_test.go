package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

const count = "fuzz: elapsed: 3s, execs: 1234 (411/sec), new interesting: 3 (total: 40)\n"

// TestWild56OnlyFailingInputsAreFindings has what the test binaries that Go builds for fuzzing say before
// they exit with 1.
func TestWild56OnlyFailingInputsAreFindings(t *testing.T) {
	for name, tc := range map[string]struct {
		says    string
		finding bool
	}{
		"the end of the time, taken for a failure by Go (golang/go#48591)": {
			count + "--- FAIL: FuzzX (3.08s)\n    context deadline exceeded\nFAIL\n", false,
		},
		"a failing input": {count +
			"--- FAIL: FuzzX (0.03s)\n    --- FAIL: FuzzX (0.00s)\n        x_test.go:9: wrong\n    \n" +
			"    Failing input written to testdata/fuzz/FuzzX/1\n    To re-run:\n    go test -run=FuzzX/1\nFAIL\n",
			true},
		"a failing input that speaks of a deadline": {count +
			"--- FAIL: FuzzX (0.03s)\n    --- FAIL: FuzzX (0.00s)\n" +
			"        x_test.go:9: context deadline exceeded\n    \n    Failing input written to " +
			"testdata/fuzz/FuzzX/1\nFAIL\n", true},
		"a failing seed": {"fuzz: elapsed: 0s, gathering baseline coverage: 1/3 completed\n" +
			"failure while testing seed corpus entry: FuzzX/seed#1\n--- FAIL: FuzzX (0.03s)\nFAIL\n", true},
		"nothing tried before the end of the time": {"--- FAIL: FuzzX (3.08s)\n    context deadline " +
			"exceeded\nFAIL\n", true},
		"a crash": {count + "panic: no worker\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			x := script(t, "cat says\nexit 1\n")
			if err := os.WriteFile(filepath.Join(x.dir, "says"), []byte(tc.says), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := x.run(t.Context(), time.Second); (err != nil) != tc.finding {
				t.Errorf("a finding: %v", err)
			}
		})
	}
}

// script makes a target of a shell script.
func script(t *testing.T, text string) *target {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "fuzz")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return &target{name: "FuzzX", dir: dir, binary: binary}
}

// A worker that takes long to begin gets more time.
func TestTargetThatTakesLongToBegin(t *testing.T) {
	x := script(t, `case "$*" in
		*fuzztime=12s*) echo 'fuzz: elapsed: 12s, execs: 7 (1/sec)';;
		*) echo 'fuzz: elapsed: 0s, gathering baseline coverage: 0/9 completed';;
	esac`)
	if out, err := x.run(t.Context(), 3*time.Second); err != nil || x.execs != 7 {
		t.Errorf("%d inputs, %v: %s", x.execs, err, out)
	}
}

// An input that took too long on a busy machine, and passes by itself, is no finding. One that fails again
// is.
func TestInputsThatAreOnlySlow(t *testing.T) {
	const says = "fuzzing process hung or terminated unexpectedly: exit status 2\n"
	const written = "    Failing input written to testdata/fuzz/FuzzX/1a\n"
	for name, tc := range map[string]struct {
		says, again, run string
		finding          bool
	}{
		"passes": {says + written, "exit 0", "^FuzzX$/^1a$", false},
		"a seed": {"failure while testing seed corpus entry: FuzzX/seed#3\n" + says, "exit 0",
			"^FuzzX$/^seed#3$", false},
		"fails again": {says + written, "exit 2", "^FuzzX$/^1a$", true},
		"is wrong":    {"wrong\n" + written, "exit 0", "^FuzzX$/^1a$", true},
	} {
		t.Run(name, func(t *testing.T) {
			x := script(t, "case $1 in '-test.run="+tc.run+"') "+tc.again+";; esac\ncat says; exit 1\n")
			input := filepath.Join(x.dir, "testdata", "fuzz", "FuzzX", "1a")
			if err := os.MkdirAll(filepath.Dir(input), 0o755); err != nil {
				t.Fatal(err)
			}
			for path, text := range map[string]string{input: "x", filepath.Join(x.dir, "says"): count + tc.says} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := x.run(t.Context(), time.Second); (err != nil) != tc.finding {
				t.Errorf("a finding: %v", err)
			}
			if _, err := os.Stat(input); name == "passes" == (err == nil) {
				t.Errorf("the input is there: %t", err == nil)
			}
		})
	}
}
