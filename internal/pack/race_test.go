//go:build race

package pack

const raced = true // whether the race detector looks on
