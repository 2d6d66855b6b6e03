// Package sbom writes what a binary is built of, as CycloneDX in JSON (https://cyclonedx.org).
package sbom

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"

	"drayage/release/build"
	"drayage/release/notices"
)

// Write describes a binary and its modules. There is no serial number, and the only time is the commit's: the
// same binary gives the same bytes.
func Write(w io.Writer, src build.Source, t build.Target, binary string, modules []notices.Module) error {
	raw, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	root := component(notices.Module{Path: info.Main.Path, Version: src.Version, Licence: "Apache-2.0"})
	root.Name = "drayage"
	root.Type = cyclonedx.ComponentTypeApplication
	root.PackageURL += "?goos=" + t.OS + "&goarch=" + t.Arch
	root.Hashes = hashes(fmt.Sprintf("%x", sha256.Sum256(raw)))
	root.Properties = &[]cyclonedx.Property{{Name: "vcs.revision", Value: src.Commit}}
	var components []cyclonedx.Component
	var refs []string
	for _, m := range modules {
		c := component(m)
		if m.Sum != "" {
			hash, err := digest(m.Sum)
			if err != nil {
				return fmt.Errorf("%s: %w", m.Path, err)
			}
			c.Hashes = hashes(hash)
		}
		components = append(components, c)
		refs = append(refs, c.BOMRef)
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: src.Date.Format(time.RFC3339), Component: &root}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: root.BOMRef, Dependencies: &refs}}
	return cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON).SetPretty(true).
		EncodeVersion(bom, cyclonedx.SpecVersion1_6)
}

func hashes(sha256 string) *[]cyclonedx.Hash {
	return &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: sha256}}
}

func component(m notices.Module) cyclonedx.Component {
	purl := "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	return cyclonedx.Component{
		BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: purl,
		Licenses: &cyclonedx.Licenses{{Expression: m.Licence}},
	}
}

// digest is a sum of go.sum in hexadecimal. It is the SHA-256 of the list of the module's files with theirs.
func digest(sum string) (string, error) {
	b64, ok := strings.CutPrefix(sum, "h1:")
	raw, err := base64.StdEncoding.DecodeString(b64)
	if !ok || err != nil || len(raw) != sha256.Size {
		return "", fmt.Errorf("%q is no sum of go.sum", sum)
	}
	return hex.EncodeToString(raw), nil
}
