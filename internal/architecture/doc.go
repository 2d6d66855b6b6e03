// Package architecture holds the rules of the source tree as tests: which package may import which, what a
// public package may export, what only the command may do, and how long lines, functions and files may
// become. It has no code of its own.
package architecture
