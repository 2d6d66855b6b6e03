package report

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// Build is what a binary of drayage was built from.
type Build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"` // ends in -dirty if the files were not those of the commit
	Date     string `json:"date,omitempty"`   // of the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ThisBuild describes the binary that runs. What the linker has not been told stands in the binary's own
// record, if the sources were in a repository.
func ThisBuild(version, commit, date string) Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	recorded := map[string]string{}
	for _, s := range info.Settings {
		recorded[s.Key] = s.Value
	}
	if recorded["vcs.revision"] != "" && recorded["vcs.modified"] == "true" {
		recorded["vcs.revision"] += "-dirty"
	}
	return Build{
		Version:  cmp.Or(version, info.Main.Version, "(devel)"),
		Commit:   cmp.Or(commit, recorded["vcs.revision"]),
		Date:     cmp.Or(date, recorded["vcs.time"]),
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}

// Lines are the build for people.
func (b Build) Lines() []string {
	lines := []string{"drayage " + b.Version}
	for _, l := range [][2]string{
		{"commit    ", b.Commit}, {"date      ", b.Date}, {"go        ", b.Go}, {"platform  ", b.Platform},
	} {
		if l[1] != "" {
			lines = append(lines, l[0]+l[1])
		}
	}
	return lines
}
