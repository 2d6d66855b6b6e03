package source

import "slices"

// Outputs are what -o of a command names that writes to several places. As text they are the first one. It is
// a value of package flag.
type Outputs []string

func (o *Outputs) String() string {
	if len(*o) == 0 {
		return ""
	}
	return (*o)[0]
}

// Set implements flag.Value. The parser of the command line gives the value of -o to --output once more.
func (o *Outputs) Set(path string) error {
	if slices.Index(*o, path) != 0 {
		*o = append(*o, path)
	}
	return nil
}

// Get implements flag.Getter.
func (o *Outputs) Get() any { return o.String() }
