package tables

import (
	"slices"
	"strings"

	"drayage/inspect"
	"drayage/internal/terminal"
)

func isImage(pl inspect.Platform) bool { return pl.ArtifactType == "" }

// holds counts what an index holds.
func holds(im *inspect.Image) string {
	artifacts := len(slices.DeleteFunc(slices.Clone(im.Platforms), isImage))
	all := []string{terminal.Count(len(im.Platforms)-artifacts, "platform")}
	if artifacts > 0 {
		all = append(all, terminal.Count(artifacts, "artifact"))
	}
	if n := len(im.Attestations); n > 0 {
		all = append(all, terminal.Count(n, "attestation"))
	}
	return strings.Join(all, ", ")
}

func platformLabel(pl inspect.Platform) string {
	label := pl.Platform
	if pl.OSVersion != "" {
		label += ":" + pl.OSVersion // as --platform takes it
	}
	if len(pl.OSFeatures) > 0 {
		label += " with " + strings.Join(pl.OSFeatures, "+")
	}
	if pl.ArtifactType != "" {
		label = pl.ArtifactType
	}
	return terminal.Escape(label, 60)
}
