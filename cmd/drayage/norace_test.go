//go:build !race

package main

// oddSeeds is how many odd layouts are tried.
const oddSeeds = 12

const raced = false // whether the race detector looks on
