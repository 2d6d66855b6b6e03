// Package golang models the encoder of Go's compress/flate at all its levels: which tokens it finds, where
// its blocks end and how it writes them. There are two encoders: that of Go 1.8 to 1.26, whose streams are
// equal at all levels, and that of Go 1.27.
//
// Docker, BuildKit, containerd and nerdctl compress layers at level 6; kaniko, crane and ko at level 1.
package golang

import "drayage/internal/deflate/coding"

const (
	minMatch   = 4     // the shortest match that the encoder looks for
	chunk      = 65535 // how much content the levels without chains handle at a time
	windowMask = coding.Window - 1
)

// Models are all models of the package, those that are met most often first.
func Models() []coding.Model {
	return []coding.Model{
		chained{6}, fast{}, chained{9}, chained{5}, chained{4}, chained{3}, chained{2}, chained{7}, chained{8},
		huffman{}, stored{},
		quick{6}, quick{1}, quick{5}, quick{4}, quick{3}, quick{2}, patient{9}, patient{7}, patient{8},
		huffman{true}, stored{true},
	}
}

// release is how the names of models begin, up to Go 1.26 and with Go 1.27.
func release(go127 bool) string {
	if go127 {
		return "Go 1.27 "
	}
	return "Go "
}

// ending are the blocks that streams end with, up to Go 1.26 and with Go 1.27.
func ending(go127 bool) []coding.Kind {
	if go127 {
		return []coding.Kind{coding.Fixed}
	}
	return []coding.Kind{coding.Stored}
}
