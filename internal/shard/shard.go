// Package shard divides images among processes that work side by side. Which shard an image is in depends on
// its name and on the number of shards only, so that processes agree without talking to each other. [Parse]
// reads what the user has asked for, and [Shard.Has] says what to take.
package shard

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"drayage/internal/usage"
)

// Most is the largest number of shards. More processes than that would find little to do each.
const Most = 10_000

// indexVariable is what Kubernetes sets in the pods of an Indexed Job, from 0 on:
// https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode.
const indexVariable = "JOB_COMPLETION_INDEX"

// Shard is one of several equal parts. The zero value is no part: it has everything.
type Shard struct{ Index, Count int } // from 1 to Count

// Parse reads I/N, or N alone: then the pod of an Indexed Job takes the part that lookup tells, which is
// [os.LookupEnv]. Errors are about the usage.
func Parse(text string, lookup func(string) (string, bool)) (s Shard, err error) {
	index, count, both := strings.Cut(text, "/")
	if !both {
		count = text
	}
	if s.Count, err = number(count); err != nil || s.Count < 1 || s.Count > Most {
		return Shard{}, usage.Errorf("%q: the number of shards is from 1 to %d, as in 2/8", text, Most)
	}
	if !both {
		s.Index, err = completion(text, s.Count, lookup)
		return s, err
	}
	if s.Index, err = number(index); err != nil || s.Index < 1 || s.Index > s.Count {
		return Shard{}, usage.Errorf("%q: shards are counted from 1 to %d", text, s.Count)
	}
	return s, nil
}

// number reads digits only: a sign would be a slip.
func number(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err
}

func completion(text string, count int, lookup func(string) (string, bool)) (int, error) {
	value, set := lookup(indexVariable)
	if !set {
		return 0, usage.Errorf("%q: which of the %d shards? Write 1/%[2]d to %[2]d/%[2]d; "+
			"in the pods of an Indexed Job, which have %[3]s, the number alone is enough", text, count, indexVariable)
	}
	n, err := number(value)
	if err != nil || n >= count {
		return 0, usage.Errorf("%q: %s is %q, and has to be from 0 to %d: are there as many completions as shards?",
			text, indexVariable, value, count-1)
	}
	return n + 1, nil
}

// Of returns which of n shards the image with a name is in, from 1 on. The name is the full one,
// docker.io/library/alpine:3.20, or a digest.
func Of(name string, n int) int {
	sum := sha256.Sum256([]byte(name))
	return int(binary.BigEndian.Uint64(sum[:])%uint64(n)) + 1
}

// All reports whether the shard has everything.
func (s Shard) All() bool { return s.Count == 0 }

// Has reports whether the image with a name is in the shard.
func (s Shard) Has(name string) bool { return s.All() || Of(name, s.Count) == s.Index }

// String names the shard in messages.
func (s Shard) String() string { return fmt.Sprintf("shard %d of %d", s.Index, s.Count) }

// Divide returns the images of the shard and all others, both in their order. name tells what each is called.
func Divide[T any](s Shard, all []T, name func(T) string) (mine, others []T) {
	if s.All() {
		return all, nil
	}
	for _, one := range all {
		if s.Has(name(one)) {
			mine = append(mine, one)
		} else {
			others = append(others, one)
		}
	}
	return mine, others
}
