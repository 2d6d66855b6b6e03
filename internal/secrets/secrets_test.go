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
		"drayage push --creds ann:s3cret a b":      {"s3cret"},
		"drayage push -creds=ann:s:3 a b":          {"s:3"},
		"drayage push a b --creds=ann":             nil,
		"drayage login -u ann -p s3cret h":         {"s3cret"},
		"drayage login --password=s3cret h":        {"s3cret"},
		"drayage login h --password s3cret":        {"s3cret"},
		"drayage push creds ann:s3cret a b":        nil,
		"drayage push a=b --password-stdin x":      nil,
		"drayage push --creds":                     nil,
		"drayage push --creds a:b --creds=c:d --":  {"b", "d"},
		"drayage login -pPW h":                     {"PW"},
		"drayage login --passwordPW h":             {"PW"},
		"drayage login --password-stdin=PW":        {"PW"},
		"drayage login --password-stdin=true":      nil,
		"drayage login -plain-http h":              nil,
		"drayage push -platform a b":               nil,
		"drayage push l u:PW@host/app":             {"PW"},
		"drayage push l https://u:P@/:W@host/app":  {"P@/:W"},
		"drayage fetch https://token@host/app":     {"token"},
		"drayage fetch --mirror=a=http://u:PW@b/c": {"PW"},
		"drayage fetch host:5000/app:1@latest":     nil,
		"drayage blob app:1@sha256:12":             nil,
		"drayage blob oci:l@sha512:12":             nil,
		"drayage blob C:/x@y":                      nil,
		"drayage fetch u:PW@h:1/app@sha256:12":     {"PW"},
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

// Wild case 44.
func TestWild44MessagesMaskPasswords(t *testing.T) {
	mask := Masking([]string{"drayage", "push", "--creds", "ann:s3\"cret", "l", "u:my pass@host/app",
		"-u", "same", "-p", "same"})
	for text, want := range map[string]string{
		`"u:my pass@host/app" is no name`:             `"u:***@host/app" is no name`,
		`said "s3\"cret"`:                             `said "***"`,
		"logged in as same":                           "logged in as same",
		"xs3\"crety":                                  "xs3\"crety",
		"GET https://a:b@host/v2/: 401":               "GET https://a:***@host/v2/: 401",
		"(https://token@host)":                        "(https://***@host)",
		`["u:p@host/a","b"]`:                          `["u:***@host/a","b"]`,
		`file "//u:p@host/app" is not there`:          `file "//u:***@host/app" is not there`,
		"//u:p@host:5000/app, https:///u:p@host/a":    "//u:***@host:5000/app, https:///u:***@host/a",
		"https://s/x?X-Amz-Signature=a1&n=2":          "https://s/x?X-Amz-Signature=***&n=2",
		`"https://s/x?n=2&token=a%2F1" said`:          `"https://s/x?n=2&token=***" said`,
		"https://s/v2/_catalog?n=5&last=a":            "https://s/v2/_catalog?n=5&last=a",
		"alpine:3@sha256:12, b:2@sha512:3":            "alpine:3@sha256:12, b:2@sha512:3",
		"https://host/v2/a@b and ann@host":            "https://host/v2/a@b and ann@host",
		"oci-archive:a@b.tar: no such file":           "oci-archive:a@b.tar: no such file",
		"http://host:80/v2/team/app:1@x C:\\a@b D:/@": "http://host:80/v2/team/app:1@x C:\\a@b D:/@",
	} {
		if got := mask(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
