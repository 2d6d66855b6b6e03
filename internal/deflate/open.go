package deflate

import (
	"fmt"
	"io"

	"drayage/internal/deflate/coding"
)

// Reader makes a blob from its content and a recipe.
type Reader struct {
	title   title
	columns [columns]*columnReader
	line    *line
	asm     *assembler
	sum     sum
	work    ledger
	rest    []byte // of asm.out, which has not been read
	given   int64  // how much has been read
	err     error
	closed  bool
}

// Open reads the beginning of a recipe. The content has so many bytes. Read gives the bytes of the blob: who
// needs to know that they are right compares their digest. The reader is to be closed.
func Open(recipe io.ReaderAt, size int64, content io.Reader, unpacked int64) (*Reader, error) {
	r := &Reader{}
	var err error
	if r.title, r.columns, err = readRecipe(recipe, size); err == nil && r.title.unpacked != unpacked {
		err = fmt.Errorf("the recipe is for %d bytes, not for %d", r.title.unpacked, unpacked)
	}
	var model coding.Model
	if err == nil {
		if model = modelNamed(r.title.model); model == nil {
			err = fmt.Errorf("the recipe is for an encoder that this version does not know: %q", r.title.model)
		}
	}
	if err != nil {
		r.closeColumns()
		return nil, err
	}
	w := &written{recordReader: recordReader{r.columns[blockColumn].Reader, maxRecords(r.title.size)}}
	r.asm = &assembler{script: w, blocks: model.Blocks(), framing: model.Framing()}
	r.line = newLine(model.Framing(), 1, func() func(*piece) error {
		predictor := model.Predictor()
		return func(p *piece) error { return p.restore(predictor) }
	})
	d := &divider{members: r.columns[memberColumn], tokens: r.columns[tokenColumn], content: content}
	d.line, d.cutter.f, d.left, d.most = r.line, model.Framing(), unpacked, maxMembers(r.title.size)
	r.line.group.Go(d.run)
	return r, nil
}

// Size is how long the blob is.
func (r *Reader) Size() int64 { return r.title.size }

// Model is the name of the encoder.
func (r *Reader) Model() string { return r.title.model }

// Read reads the blob.
func (r *Reader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for len(r.rest) == 0 && r.err == nil {
		r.err = r.more()
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	r.given += int64(n)
	if n > 0 {
		return n, nil
	}
	return 0, r.err
}

// more makes more of the blob.
func (r *Reader) more() error {
	p, ok := <-r.line.order
	if !ok || r.closed {
		if r.given != r.title.size {
			return errRecipe
		}
		return io.EOF
	}
	<-p.done
	if p.err == nil {
		p.err = r.work.add(p)
	}
	if p.err != nil {
		return p.err
	}
	// The bits that do not fill a byte stay in the writer.
	r.asm.out = r.asm.out[:0]
	left := r.title.size - r.given
	r.asm.most = int(min(left, 1<<30))
	if err := guarded(func() error { return r.piece(p) }); err != nil {
		return err
	}
	if r.rest = r.asm.out; int64(len(r.rest)) > left {
		r.rest = nil
		return errRecipe
	}
	return nil
}

func (r *Reader) piece(p *piece) error {
	if p.member == nil {
		r.asm.out = append(r.asm.out, p.tail...)
		return nil
	}
	if p.from == 0 && p.first {
		r.asm.out = append(r.asm.out, p.member.header...)
		r.asm.begin()
		r.sum = sum{}
	}
	r.sum.Write(p.content(p.from, p.to))
	if err := r.asm.piece(p); err != nil || !p.last {
		return err
	}
	r.asm.align(p.member.padding)
	if p.member.trailer != nil {
		r.asm.out = append(r.asm.out, p.member.trailer...)
	} else {
		r.asm.out = r.sum.append(r.asm.out)
	}
	return nil
}

// Close ends what works for the reader. It waits for a read of the content that is under way.
func (r *Reader) Close() error {
	if !r.closed {
		r.closed = true
		r.line.abandon()
		r.line.group.Wait()
		r.closeColumns()
		r.rest, r.err = nil, errClosed
	}
	return nil
}

func (r *Reader) closeColumns() {
	for _, c := range r.columns {
		c.close()
	}
}
