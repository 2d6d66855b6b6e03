package deflate

import (
	"drayage/internal/deflate/coding"
	"drayage/internal/deflate/golang"
	"drayage/internal/deflate/klauspost"
	"drayage/internal/deflate/zlib"
)

// packages have the models, one package for each family of encoders.
var packages = []func() []coding.Model{zlib.Models, golang.Models, klauspost.Models}

// Models are the encoders that are known.
func Models() (all []coding.Model) {
	for _, models := range packages {
		all = append(all, models()...)
	}
	return all
}

// modelNamed finds a model that a recipe names.
func modelNamed(name string) coding.Model {
	for _, m := range append(Models(), plain{}) {
		if m.Name() == name {
			return m
		}
	}
	return nil
}
