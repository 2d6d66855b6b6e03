//go:build !race

package pack

const raced = false // whether the race detector looks on
