package secrets

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHideSecrets(t *testing.T) {
	for line, want := range map[string][]string{
		"drayage push --creds ann:s3cret a b":     {"s3cret"},
		"drayage push -creds=ann:s:3 a b":         {"s:3"},
		"drayage push a b --creds=ann":            {""},
		"drayage login -u ann -p s3cret h":        {"s3cret"},
		"drayage login --password=s3cret h":       {"s3cret"},
		"drayage login h --password s3cret":       {"s3cret"},
		"drayage push creds ann:s3cret a b":       nil,
		"drayage push a=b --password-stdin x":     nil,
		"drayage push --creds":                    nil,
		"drayage push --creds a:b --creds=c:d --": {"b", "d"},
	} {
		var wiped []string
		args := strings.Fields(line)
		got := hide(args, func(s string) { wiped = append(wiped, s) })
		if diff := cmp.Diff(want, wiped); diff != "" {
			t.Errorf("%s:\n%s", line, diff)
		}
		if diff := cmp.Diff(args, got); diff != "" {
			t.Errorf("%s:\n%s", line, diff)
		}
	}
}

// A process that has hidden its password works with it, and nobody sees it in /proc.
func TestSecretsAreNotInTheProcessList(t *testing.T) {
	if os.Getenv("HIDE_SECRETS") != "" {
		safe := Hide(os.Args)
		seen, err := os.ReadFile("/proc/self/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(safe, " "), "ann:s3cret") || strings.Contains(string(seen), "s3cret") ||
			!strings.Contains(string(seen), "ann:*") {
			t.Errorf("%q is used, %q is seen", safe, seen)
		}
		return
	}
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("no /proc here")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestSecretsAreNotInTheProcessList$", "--", "push", "--creds",
		"ann:s3cret")
	cmd.Env = append(os.Environ(), "HIDE_SECRETS=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
