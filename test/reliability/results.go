// Package reliability runs the drayage binary against sixty kinds of fault, one after another, and writes
// docs/reliability.md from what came of it. The tests are the harness; `go test -update` enters their results
// into testdata and renders the document. Other harnesses enter theirs with [Section.Save].
package reliability

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What can come of a fault.
const (
	Survived = "survived"
	Missed   = "missed"
	Skipped  = "skipped" // could not be tried on this machine
)

// Outcome is what came of one fault, tried once.
type Outcome struct {
	Fault   string `json:"fault"`
	Over    string `json:"over,omitempty"` // the transport, where there is one: http or https
	Outcome string `json:"outcome"`
	Why     string `json:"why,omitempty"`    // of what was missed or skipped
	Figure  string `json:"figure,omitempty"` // what was measured
}

// Row is one of the sixty cases.
type Row struct {
	Number int       `json:"number"`
	Group  string    `json:"group"`
	Title  string    `json:"title"`
	How    string    `json:"how"`             // what drayage does
	Known  string    `json:"known,omitempty"` // what is not survived, and is known not to be
	Faults []Outcome `json:"faults"`
}

// Count returns how many of the faults had an outcome.
func (r Row) Count(outcome string) (n int) {
	for _, f := range r.Faults {
		if f.Outcome == outcome {
			n++
		}
	}
	return n
}

// Cases is the result of one run of all cases.
type Cases struct {
	Date      string         `json:"date"`
	Protocols map[string]int `json:"protocols"` // requests by version of HTTP, of the servers that offer HTTP/2
	Rows      []Row          `json:"rows"`
}

// Section is a table of figures that another harness has measured.
type Section struct {
	Title  string     `json:"title"`
	Date   string     `json:"date"`   // of the run, as 2026-01-31
	Source string     `json:"source"` // the command that measures it, such as: make soak
	Text   string     `json:"text"`   // a paragraph above the table
	Head   []string   `json:"head"`
	Rows   [][]string `json:"rows"`
}

// Save writes the section into dir, where [Load] finds it. Sections appear in the order of their names.
func (s Section) Save(dir, name string) error {
	for _, row := range s.Rows {
		if len(row) != len(s.Head) {
			return fmt.Errorf("section %s: a row of %d cells below a head of %d", name, len(row), len(s.Head))
		}
	}
	return save(filepath.Join(dir, "sections", name+".json"), s)
}

// Save writes the result into dir.
func (c Cases) Save(dir string) error { return save(filepath.Join(dir, "cases.json"), c) }

func save(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o644)
}

// Load reads what has been saved in dir.
func Load(dir string) (Cases, []Section, error) {
	var c Cases
	if err := load(filepath.Join(dir, "cases.json"), &c); err != nil {
		return c, nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, "sections", "*.json"))
	if err != nil {
		return c, nil, err
	}
	slices.SortFunc(names, strings.Compare)
	var all []Section
	for _, name := range names {
		var s Section
		if err := load(name, &s); err != nil {
			return c, nil, err
		}
		all = append(all, s)
	}
	return c, all, nil
}

func load(path string, v any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: %v", filepath.Base(path), err)
	}
	return nil
}
