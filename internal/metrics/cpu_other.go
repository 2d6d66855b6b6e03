//go:build !unix

package metrics

func cpuTime() []Sample { return nil }
