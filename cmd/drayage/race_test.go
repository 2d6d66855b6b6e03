//go:build race

package main

// oddSeeds is how many odd layouts are tried. The race detector makes each take ten times as long.
const oddSeeds = 3

const raced = true // whether the race detector looks on
