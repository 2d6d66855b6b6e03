package deflate

import "drayage/internal/deflate/coding"

// plain is the model of no encoder: it predicts literals, and one block. A recipe for it has all tokens.
type plain struct{}

func (plain) Name() string                { return "none" }
func (plain) Framing() coding.Framing     { return coding.Framing{} }
func (plain) Predictor() coding.Predictor { return &plainPredictor{} }
func (plain) Blocks() coding.Blocks       { return plainBlocks{} }

type plainPredictor struct {
	data    []byte
	at, was int
}

func (p *plainPredictor) Begin(s coding.Stretch) { p.data, p.at = s.Data, s.From }
func (p *plainPredictor) Slide(s coding.Stretch) { p.data, p.at = s.Data, s.From }
func (p *plainPredictor) Correct(t coding.Token) { p.at = p.was + t.Len() }
func (p *plainPredictor) Work() int64            { return 0 }
func (p *plainPredictor) Predict() coding.Token {
	p.was = p.at
	p.at++
	return coding.Literal(p.data[p.was])
}

type plainBlocks struct{}

func (plainBlocks) Begin()                           {}
func (plainBlocks) Add(coding.Token) bool            { return false }
func (plainBlocks) Shape(*coding.Block) coding.Shape { return coding.Shape{Kind: coding.Fixed} }
func (plainBlocks) Wrote(*coding.Shape)              {}
