package deflate

import "drayage/internal/deflate/coding"

// written is the script in the column of a recipe.
type written struct {
	recordReader
	right uint64 // how many blocks are as predicted before the next record
	begun bool   // right has been read
}

// next returns how the next block differs, or nil.
func (w *written) next() (*record, error) {
	if !w.begun {
		var err error
		if w.right, err = uvarint(w, 1<<50); err != nil {
			return nil, err
		}
		w.begun = true
	}
	if w.right > 0 {
		w.right--
		return nil, nil
	}
	w.begun = false
	return w.header()
}

// faithful is the script of what is as the model predicts.
type faithful struct{}

func (faithful) next() (*record, error) { return nil, nil }

func (faithful) codes(*coding.Shape) (*coding.Shape, error) { return nil, errRecipe }
