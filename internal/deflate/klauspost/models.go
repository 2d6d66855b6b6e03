// Package klauspost has models of github.com/klauspost/compress/flate, and of how github.com/klauspost/pgzip
// frames what it writes.
package klauspost

import (
	"fmt"
	"strconv"
	"strings"

	"drayage/internal/deflate/coding"
)

// era is a range of versions that write the same.
type era struct {
	name    string
	exact   bool // a last chunk that is small is searched like others, if something precedes it
	trimmed bool // headers of blocks that may go on end with the last length that is used, too
	skip    int  // how many bytes may differ where a match is improved by what follows it
	five    bool // level 1 looks up places by five bytes instead of four
	uneven  bool // a rest of 3 bytes or more may follow a match of 258
	tree    bool // code lengths are those of a tree without a limit, unless that is too deep
	early   age
	keeps   bool   // a match is not improved by what follows it
	filled  bool   // codes of blocks that may go on have all symbols
	astray  bool   // level 4 compares with what stands elsewhere when it looks at the next place
	behind  bool   // levels 7 to 9 look for a longer match behind a match, and not inside
	apart   bool   // levels 7 to 9 do not count the dictionary when they measure the first block
	levels  string // for which it is an era; H is huffman
}

// The likely eras are first. An era lasts until the next higher version that is named here and has the level.
var eras = []era{
	{name: "1.15.11", levels: "56123", skip: 2, five: true, uneven: true},
	{name: "1.18.2", levels: "569134278", skip: 2, five: true, uneven: true, trimmed: true,
		astray: true, behind: true},
	{name: "1.20.4", levels: "569134278H", skip: 2, five: true, uneven: true, trimmed: true,
		astray: true, behind: true, exact: true, tree: true, apart: true},
	{name: "1.15.15", levels: "789", behind: true},
	{name: "1.18.0", levels: "4", uneven: true, astray: true},
	{name: "1.15.0", levels: "561234", uneven: true},
	{name: "1.14.4", levels: "569134278"},
	{name: "1.20.0", levels: "789", trimmed: true, behind: true, apart: true},
	{name: "1.12.3", levels: "561H", filled: true},
	{name: "1.10.3", levels: "569134278H0", filled: true, early: earliest, keeps: true},
	{name: "1.11.13", levels: "561342H", filled: true, early: early, keeps: true},
	{name: "1.12.2", levels: "56", filled: true, early: early},
}

// age is how an era estimates what codes save.
type age uint8

const (
	later age = iota
	early
	earliest
)

// Two levels find no matches.
const (
	none    = 0
	huffman = -2
)

// smallBuffer is how many bytes the level huffman handles as a whole since 1.11.13.
const smallBuffer = 32 << 10

// Model is one of an era at a level with a framing.
type Model struct {
	era     *era
	level   int
	pgzip   bool
	framing coding.Framing
}

// Models are all models, the most likely first.
func Models() []coding.Model {
	var models []coding.Model
	for _, level := range []int{5, 6, 1, 9, 3, 4, 2, 7, 8, huffman, none} {
		for i := range eras {
			if !eras[i].has(level) {
				continue
			}
			for _, pgzip := range []bool{true, false} {
				models = append(models, newModel(&eras[i], level, pgzip))
			}
		}
	}
	return models
}

func (e *era) has(level int) bool {
	if level == huffman {
		return strings.Contains(e.levels, "H")
	}
	return strings.Contains(e.levels, strconv.Itoa(level))
}

func newModel(e *era, level int, pgzip bool) *Model {
	m := &Model{era: e, level: level, pgzip: pgzip}
	m.framing = coding.Framing{Closing: []coding.Kind{coding.Fixed}, Align: chunk}
	m.framing.Serial = !pgzip && level > 0 && level != 5 && level != 6
	if level > 6 {
		m.framing.Align = 0
	}
	if pgzip {
		m.framing.Part, m.framing.Dictionary, m.framing.Empty = 1<<20, 16<<10, true
		m.framing.Marker = func(int) []coding.Kind { return []coding.Kind{coding.Stored} }
		m.framing.Closing = []coding.Kind{coding.Stored, coding.Fixed}
	}
	return m
}

// Name is the oldest version that the model holds for, and the level.
func (m *Model) Name() string {
	program := "klauspost"
	if m.pgzip {
		program = "pgzip"
	}
	if m.level == huffman {
		return program + " " + m.era.name + " Huffman"
	}
	return fmt.Sprintf("%s %s -%d", program, m.era.name, m.level)
}

// Framing says that pgzip cuts content in parts of 1 MiB.
func (m *Model) Framing() coding.Framing { return m.framing }

// Predictor finds tokens.
func (m *Model) Predictor() coding.Predictor {
	if m.level < 7 {
		return &fast{finder: m.finder(), model: m}
	}
	manner, effort := m.patience()
	return &lazy{manner: manner, effort: effort, coder: coder{tree: m.era.tree}}
}

// Blocks decides on blocks.
func (m *Model) Blocks() coding.Blocks {
	w := writer{era: m.era, penalty: m.penalty()}
	w.tree = m.era.tree
	if m.level > 6 {
		w.alike = true
		manner, effort := m.patience()
		return &lazyBlocks{writer: w, manner: manner, effort: effort, plain: m.era.filled,
			dict: m.framing.Dictionary}
	}
	return &fastBlocks{writer: w, model: m, chunk: m.chunk()}
}

// chunk is how many bytes one of the levels up to 6 handles as a whole.
func (m *Model) chunk() int {
	if m.level == huffman && m.era.early != earliest {
		return smallBuffer
	}
	return chunk
}

// Refuses knows that no match is shorter than four bytes, and how blocks end. One may go on with the codes of
// the block before.
func (m *Model) Refuses(o coding.Opening) bool {
	if m.level > 6 {
		manner, _ := m.patience()
		return o.Short || o.Tokens%manner.block > 0
	}
	return o.Short || o.Size%m.chunk() > 0
}

// Tokens names what the finders of a level go by.
func (m *Model) Tokens() string {
	e := m.era
	var by []any
	switch {
	case m.level > 6:
		by = []any{e.filled, e.behind, e.trimmed, e.tree}
	case m.level > 4:
		by = []any{e.exact, e.uneven, e.skip, e.keeps}
	case m.level == 4:
		by = []any{e.exact, e.uneven, e.astray}
	case m.level > 0:
		by = []any{e.exact, e.uneven, e.five, e.filled}
	}
	return fmt.Sprint(m.level, m.pgzip, by)
}

// patience is how one of the levels 7 to 9 searches.
func (m *Model) patience() (*manner, effort) {
	manner := mannerOf(m.era)
	return manner, manner.efforts[m.level-7]
}

// penalty is that of writer.
func (m *Model) penalty() int {
	switch e := m.era; {
	case m.level == huffman && e.early == later:
		return 10
	case m.level == huffman && e.early == earliest:
		return 4
	case m.level > 6 || e.filled && e.early != earliest:
		return 8
	case e.early == earliest:
		return 6
	}
	return 7
}

func (m *Model) finder() finder {
	five := level5{skip: m.era.skip, keeps: m.era.keeps}
	switch m.level {
	case none, huffman:
		return blind{}
	case 1, 2:
		return newSparse(m.level, m.era.five)
	case 3:
		return newLevel3(m.era)
	case 4:
		return &level4{astray: m.era.astray}
	case 6:
		return &level6{five}
	}
	return &five
}

// run is that of a chunk.
func (m *Model) run(at, end int, base uint32) run {
	return run{from: at, at: at, floor: at, end: end, base: base, uneven: m.era.uneven}
}

// searches reports whether the encoder looks for matches in a chunk.
func (m *Model) searches(size int, first bool, end coding.End) bool {
	if m.era.exact && (m.pgzip || !first || end != coding.Close) {
		return size >= leastChunk
	}
	return size >= smallChunk || end == coding.Full
}
