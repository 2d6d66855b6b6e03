package shard

import (
	"errors"
	"fmt"
	"testing"

	"drayage/internal/usage"
)

// in is an environment in which one variable is set.
func in(value string) func(string) (string, bool) {
	return func(name string) (string, bool) { return value, name == "JOB_COMPLETION_INDEX" }
}

func nowhere(string) (string, bool) { return "", false }

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		env  func(string) (string, bool)
		want Shard
	}{
		{"1/1", nowhere, Shard{1, 1}},
		{"2/8", nowhere, Shard{2, 8}},
		{"2/8", in("5"), Shard{2, 8}}, // what is written counts
		{"8", in("0"), Shard{1, 8}},
		{"8", in("7"), Shard{8, 8}},
		{"10000/10000", nowhere, Shard{10000, 10000}},
	} {
		if got, err := Parse(c.text, c.env); err != nil || got != c.want {
			t.Errorf("Parse(%q) = %v, %v", c.text, got, err)
		}
	}
	for _, c := range []struct {
		text string
		env  func(string) (string, bool)
	}{
		{"0/3", nowhere}, {"4/3", nowhere}, {"x", nowhere}, {"x/3", nowhere}, {"1/x", nowhere}, {"", nowhere},
		{"/", nowhere}, {"1/", nowhere}, {"/3", nowhere}, {"1/2/3", nowhere}, {"-1/3", nowhere}, {"+1/3", nowhere},
		{"1/0", nowhere}, {"1/10001", nowhere}, {"1/99999999999999999999", nowhere}, {" 1/3", nowhere},
		{"8", nowhere}, {"8", in("")}, {"8", in("8")}, {"8", in("-1")}, {"8", in("x")}, {"0", in("0")},
	} {
		if got, err := Parse(c.text, c.env); !errors.As(err, new(*usage.Error)) {
			t.Errorf("Parse(%q) = %v, %v", c.text, got, err)
		}
	}
}

// TestOfIsStable holds what other processes, and those of other versions, count on.
func TestOfIsStable(t *testing.T) {
	for name, want := range map[string]int{
		"docker.io/library/alpine:3.20": 4, "docker.io/library/alpine:3.21": 7, "registry.corp/team/app:1.2": 5,
	} {
		if got := Of(name, 8); got != want {
			t.Errorf("%s is in shard %d of 8, not %d", name, got, want)
		}
	}
}

func TestEachImageIsInOneShardAndShardsAreEven(t *testing.T) {
	const images, n = 10_000, 8
	var has [n + 1]int
	for i := range images {
		name := fmt.Sprintf("registry.corp/team/app-%d:1.%d", i/10, i%10)
		found := 0
		for k := 1; k <= n; k++ {
			if (Shard{k, n}).Has(name) {
				found++
				has[k]++
			}
		}
		if found != 1 {
			t.Fatalf("%s is in %d shards", name, found)
		}
	}
	for k := 1; k <= n; k++ {
		if has[k] < images/n*9/10 || has[k] > images/n*11/10 {
			t.Errorf("shard %d has %d of %d images", k, has[k], images)
		}
	}
	if !(Shard{}).Has("x") {
		t.Error("without shards something is left out")
	}
}
