package upload

import "fmt"

// Reuse says whether a blob that is in a registry already stands for a layer of a docker tar. Such a tar
// knows its layers unpacked. Configurations in the registry say which blob unpacks to which layer.
type Reuse string

const (
	// ReuseChecked reads such a blob once, unpacks it and compares it with the layer, before it is used. It is
	// the default.
	ReuseChecked Reuse = "check"
	// ReuseTrusted takes the registry at its word.
	ReuseTrusted Reuse = "trust"
	// ReuseNothing compresses every layer. The same layer then has the same digest in every registry.
	ReuseNothing Reuse = "none"
)

func (r Reuse) check() error {
	switch r {
	case "", ReuseChecked, ReuseTrusted, ReuseNothing:
		return nil
	}
	return fmt.Errorf("layers cannot be reused by %q, only by check, trust or none", string(r))
}

// FalseClaim says that a registry has a blob that is not the layer which a configuration there says it is.
type FalseClaim struct {
	Err error // what is wrong; it names the repository, the blob and the layer
}

func (e *FalseClaim) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *FalseClaim) Unwrap() error { return e.Err }
