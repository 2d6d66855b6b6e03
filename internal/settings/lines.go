package settings

import (
	"bytes"

	"github.com/pelletier/go-toml/v2/unstable"
)

// lines are the lines of the keys in a document: {"", key} at the top, {table, key} in a table of the top.
// The tables are among the keys at the top.
type lines struct {
	raw        []byte
	read, line int // up to where lines have been counted
	of         map[[2]string]int
}

// linesOf finds the lines in a valid document.
func linesOf(raw []byte) map[[2]string]int {
	l := lines{raw: raw, line: 1, of: map[[2]string]int{}}
	var p unstable.Parser
	p.Reset(raw)
	table := ""
	for p.NextExpression() {
		switch node := p.Expression(); node.Kind {
		case unstable.Table, unstable.ArrayTable:
			if key := node.Key(); key.Next() {
				table = string(key.Node().Data)
				l.note("", key.Node())
			}
		case unstable.KeyValue:
			l.pair(table, node)
		}
	}
	return l.of
}

// pair notes the keys of a pair, and those in its value if that is a table.
func (l *lines) pair(table string, node *unstable.Node) {
	for key := node.Key(); key.Next(); {
		l.note(table, key.Node())
		table = string(key.Node().Data)
	}
	if node.Value().Kind != unstable.InlineTable {
		return
	}
	for it := node.Value().Children(); it.Next(); {
		if key := it.Node().Key(); key.Next() {
			l.note(table, key.Node())
		}
	}
}

// note enters a key. Keys come in the order of the document.
func (l *lines) note(table string, key *unstable.Node) {
	if at := int(key.Raw.Offset); at > l.read {
		l.line += bytes.Count(l.raw[l.read:at], []byte("\n"))
		l.read = at
	}
	if at := [2]string{table, string(key.Data)}; l.of[at] == 0 {
		l.of[at] = l.line
	}
}
