// Package docs holds the pages of the book, which drayage docs prints behind the gap.
package docs

import "embed"

// Files has all pages, and the schema that one of them is about. Pictures stay outside.
//
//go:embed *.md */*.md *.json
var Files embed.FS
