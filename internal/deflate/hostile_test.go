package deflate

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
)

// forged is a recipe that is written by hand. The zero value, with a model, is for a blob of one member.
type forged struct {
	model                  string
	size, unpacked         uint64
	member, blocks, tokens []byte
}

func (f forged) bytes() []byte {
	b := binary.AppendUvarint(bytes.Clone(magic), f.size)
	b = binary.AppendUvarint(b, f.unpacked)
	b = append(binary.AppendUvarint(b, uint64(len(f.model))), f.model...)
	for _, c := range [][]byte{f.member, f.blocks, f.tokens} {
		b = binary.AppendUvarint(append(b, asIs), uint64(len(c)))
	}
	return append(append(append(b, f.member...), f.blocks...), f.tokens...)
}

// oneMember is the column for a member of so many bytes.
func oneMember(size int) []byte {
	m := member{header: []byte(header), size: int64(size)}
	return append(m.append([]byte{1}), 0, 0)
}

// numbers are a column of numbers.
func numbers(all ...uint64) (b []byte) {
	for _, n := range all {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// cutBehind is a record of a Fixed block that ends behind so many tokens.
func cutBehind(tokens uint64) []byte { return append([]byte{0, 1 | cutBit}, numbers(tokens)...) }

// shaped is a record of a Dynamic block with these flags, counts of lengths, and what follows them.
func shaped(flags, literals, distances byte, rest ...byte) []byte {
	return append([]byte{0, 2 | lastBit, flags, literals, distances}, rest...)
}

// read opens a recipe and reads all.
func read(recipe, content []byte) (n int64, err error) {
	r, err := Open(bytes.NewReader(recipe), int64(len(recipe)), bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err = io.Copy(io.Discard, r)
	return min(n, r.Size()+1), err
}

// A recipe that no writer makes is refused with an error, after no more than the bytes that it promises.
func TestHostileRecipes(t *testing.T) {
	content := prose(3000)
	long := prose(3 << 20)
	fine := forged{"zlib -6", 1 << 20, 3000, oneMember(3000), numbers(1000), numbers(0, 0)}
	for name, c := range map[string]struct {
		change  func(*forged)
		content []byte
		want    string
	}{
		"unknown model":      {func(f *forged) { f.model = "zopfli -6" }, content, `does not know: "zopfli -6"`},
		"name of control":    {func(f *forged) { f.model = "\x1b[31m" }, content, `does not know: "\x1b[31m"`},
		"name too long":      {func(f *forged) { f.model = strings.Repeat("z", maxName+1) }, content, "damaged"},
		"other content":      {func(f *forged) { f.unpacked = 2999 }, content, "for 2999 bytes, not for 3000"},
		"blob too long":      {func(f *forged) { f.size = 1 << 51 }, content, "damaged"},
		"promises too much":  {func(*forged) {}, content, "damaged"},
		"promises nothing":   {func(f *forged) { f.size = 0 }, content, "damaged"},
		"promises less":      {func(f *forged) { f.size = 20 }, content, "damaged"},
		"no members":         {func(f *forged) { f.member = []byte{0, 0} }, content, "damaged"},
		"no member column":   {func(f *forged) { f.member = nil }, content, "damaged"},
		"member too long":    {func(f *forged) { f.member = oneMember(3001) }, content, "damaged"},
		"member too short":   {func(f *forged) { f.member = oneMember(2999) }, content, "damaged"},
		"unknown member":     {func(f *forged) { f.member[0] = 2 }, content, "damaged"},
		"header too long":    {func(f *forged) { f.member = numbers(1, 1<<30) }, content, "damaged"},
		"member cut off":     {func(f *forged) { f.member = f.member[:8] }, content, "damaged"},
		"no blocks":          {func(f *forged) { f.blocks = nil }, content, "damaged"},
		"no tokens":          {func(f *forged) { f.tokens = nil }, content, "damaged"},
		"begins behind":      {func(f *forged) { f.tokens = numbers(259, 0) }, content, "damaged"},
		"all is before":      {func(f *forged) { f.tokens = numbers(0, 3001) }, content, "damaged"},
		"corrections cut":    {func(f *forged) { f.tokens = numbers(0, 3000) }, content, "damaged"},
		"correction behind":  {func(f *forged) { f.tokens = numbers(0, 1, 2999, 1) }, content, "damaged"},
		"length of two":      {func(f *forged) { f.tokens = numbers(0, 1, 0, 2, 1) }, content, "damaged"},
		"length of none":     {func(f *forged) { f.tokens = numbers(0, 1, 0, 0) }, content, "damaged"},
		"length too long":    {func(f *forged) { f.tokens = numbers(0, 1, 0, 260, 1) }, content, "damaged"},
		"before the content": {func(f *forged) { f.tokens = numbers(0, 1, 5, 3, 3000) }, content, "damaged"},
		"distance too far":   {func(f *forged) { f.tokens = numbers(0, 1, 5, 3, 40_000) }, content, "damaged"},
		"no distance":        {func(f *forged) { f.tokens = numbers(0, 1, 5, 3, 0) }, content, "damaged"},
		"other bytes":        {func(f *forged) { f.tokens = numbers(0, 1, 5, 200, 1) }, content, "damaged"},
		"unknown record":     {func(f *forged) { f.blocks = []byte{0, 6} }, content, "damaged"},
		"nothing goes on":    {func(f *forged) { f.blocks = []byte{0, 3} }, content, "damaged"},
		"held to the end":    {func(f *forged) { f.blocks = []byte{0, held} }, content, "damaged"},
		"cut at nothing":     {func(f *forged) { f.blocks = cutBehind(0) }, content, "damaged"},
		"cut far away":       {func(f *forged) { f.blocks = cutBehind(1 << 40) }, content, "damaged"},
		"cut behind the end": {func(f *forged) { f.blocks = cutBehind(100_000) }, content, "damaged"},
		"never the last":     {func(f *forged) { f.blocks = []byte{0, 1, 0} }, content, "damaged"},
		"last twice": {func(f *forged) {
			f.blocks = numbers(0, 1|extraBit|lastBit, 9)
		}, content, "damaged"},
		"codes of other": {func(f *forged) { f.blocks = shaped(0, 40, 0) }, content, "damaged"},
		"codes cut off":  {func(f *forged) { f.blocks = shaped(codeBit, 0, 0, 1, 2, 3) }, content, "damaged"},
		"incomplete": {func(f *forged) {
			f.blocks = shaped(codeBit, 29, 29, append([]byte{1}, make([]byte, 400)...)...)
		}, content, "damaged"},
		"oversubscribed": {func(f *forged) {
			f.blocks = shaped(codeBit, 29, 29, bytes.Repeat([]byte{1}, 316)...)
		}, content, "damaged"},
		"too many symbols": {func(f *forged) {
			f.blocks = append(shaped(symbolBit, 0, 0), numbers(5000)...)
		}, content, "damaged"},
		"repeats nothing": {func(f *forged) {
			f.blocks = shaped(symbolBit, 0, 0, 1, 16, 0)
		}, content, "damaged"},
		"two stretches overlap": {func(f *forged) {
			overlaps := numbers(0, 0, 200, 0, 258, 0)
			*f = forged{"zlib -6", 4 << 20, 3 << 20, oneMember(3 << 20), numbers(1000), overlaps}
		}, long, "damaged"},
		"framing of another": {func(f *forged) {
			*f = forged{"pgzip 1.18.2 -5", 4 << 20, 3 << 20, oneMember(3 << 20), numbers(1000), numbers(0, 0)}
		}, long, "damaged"},
		"a part begins behind itself": {func(f *forged) {
			*f = forged{"pigz -6", 4 << 20, 131_074, oneMember(131_074), numbers(1000), numbers(0, 0, 3, 0)}
		}, long[:131_074], "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			f := fine
			f.member = bytes.Clone(f.member)
			c.change(&f)
			n, err := read(f.bytes(), c.content)
			if err == nil || !strings.Contains(err.Error(), c.want) || n > int64(f.size) {
				t.Errorf("%d bytes: %v", n, err)
			}
		})
	}
}

// A recipe that is cut off anywhere, and content that is, are errors.
func TestRecipesAreCutOff(t *testing.T) {
	content := prose(3000)
	recipe, _ := recipeOf(t, gzipped(t, 6, content), everything)
	for n := range recipe {
		if _, err := read(recipe[:n], content); err == nil {
			t.Errorf("%d bytes of %d make the blob", n, len(recipe))
		}
	}
	r, err := Open(bytes.NewReader(recipe), int64(len(recipe)), bytes.NewReader(content[:2000]), 3000)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
}
