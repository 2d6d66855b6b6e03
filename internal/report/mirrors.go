package report

// Mirrors are files with which engines pull images by their old names from another registry.
type Mirrors struct {
	Hosts   []string       `json:"hosts"` // the registries whose names stay in use
	Engines []MirrorEngine `json:"engines"`
}

// MirrorEngine is what one engine needs.
type MirrorEngine struct {
	Name   string       `json:"name"`
	Files  []MirrorFile `json:"files"`
	Steps  []string     `json:"steps,omitempty"`  // what to do with the files
	Limits []string     `json:"limits,omitempty"` // what the engine cannot do
}

// MirrorFile is one of the files.
type MirrorFile struct {
	Path     string `json:"path"`               // below the folder with all files, with slashes
	GoesTo   string `json:"goesTo"`             // on a machine that has the engine
	Content  string `json:"content,omitempty"`  // left out if it has been written
	Replaced bool   `json:"replaced,omitempty"` // it was there, with other content
}
