package shelf

import "drayage/internal/source"

// Look looks at the files of SOURCEs.
func Look(specs []source.Spec) int { return len(lookAll(specs, nil)) }
