// Package report holds the one document that every command prints with --json. The same thing has the same
// name in the results of all commands, and the unit of a number is the end of its name.
package report

import (
	"cmp"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/inspect"
)

// Schema is the number of the document's form. It grows when a field changes its meaning or goes away. It
// stays when a field is added.
const Schema = 1

// Document is the result of one command. A field that says nothing of a command is not in its document.
type Document struct {
	Schema   int    `json:"schema"`
	Command  string `json:"command,omitempty"` // empty if what was typed is no command
	OK       bool   `json:"ok"`                // everything that was asked for has been done
	ExitCode int    `json:"exitCode"`
	Error    *Error `json:"error,omitempty"` // set if not OK

	Source      string   `json:"source,omitempty"`      // SOURCE as it was typed
	Destination string   `json:"destination,omitempty"` // DEST, in full
	Registry    string   `json:"registry,omitempty"`    // whose repositories are listed
	URL         string   `json:"url,omitempty"`         // where the images can be pulled
	Repository  string   `json:"repository,omitempty"`  // whose tags are listed
	Output      string   `json:"output,omitempty"`      // the directory or file that was written
	RecordFiles []string `json:"recordFiles,omitempty"` // the record that was written
	OutputBytes int64    `json:"outputBytes,omitempty"` // the size of that file
	Files       []File   `json:"files,omitempty"`       // of an archive that was written in volumes

	Build *Build `json:"build,omitempty"` // of drayage itself
	Key   *Key   `json:"key,omitempty"`   // that was made

	Signatures []Signature `json:"signatures,omitempty"` // that --key asked for, and that hold

	Shard *Shard `json:"shard,omitempty"` // which part of the images the command has taken

	Volumes      []Volume `json:"volumes,omitempty"` // of an archive in volumes, then its parity volumes
	Images       []Image  `json:"images,omitzero"`
	Tags         []string `json:"tags,omitzero"`
	Repositories []string `json:"repositories,omitzero"`
	Remarks      []Remark `json:"remarks,omitempty"` // on files in which names were looked for

	Differences []string `json:"differences,omitempty"` // from the record that SOURCE is compared with

	Transfer      *Transfer      `json:"transfer,omitempty"`
	Expected      *Expected      `json:"expected,omitempty"`   // what a dry run says that would move
	LayerCount    int            `json:"layerCount,omitempty"` // different layers in all images together
	LayerBytes    int64          `json:"layerBytes,omitempty"` // their size, each counted once
	Stored        *Blobs         `json:"stored,omitempty"`     // all blobs of a layout
	Unreferenced  *Blobs         `json:"unreferenced,omitempty"`
	Freed         *Blobs         `json:"freed,omitempty"`         // what gc has removed
	InUse         *Blobs         `json:"inUse,omitempty"`         // what no image needs, but a running fetch
	Mended        []Mended       `json:"mended,omitzero"`         // what repair has done
	NeededVolumes []int          `json:"neededVolumes,omitempty"` // without which nothing can be repaired
	DryRun        bool           `json:"dryRun,omitempty"`        // nothing has been changed
	LeftOut       *Blobs         `json:"leftOut,omitempty"`       // of an archive, because the far side has it
	Patches       *Patches       `json:"patches,omitempty"`       // layers that travel as patches
	Missing       []Missing      `json:"missing,omitzero"`        // blobs that are nowhere to be had
	Inventory     *Inventory     `json:"inventory,omitempty"`
	Mirrors       *Mirrors       `json:"mirrors,omitempty"`
	PullQuota     *inspect.Quota `json:"pullQuota,omitempty"`

	ConfigFile string    `json:"configFile,omitempty"` // where settings are, or would be
	Settings   []Setting `json:"settings,omitzero"`
}

// Image is what a command has to say of one image.
type Image struct {
	Name      string `json:"name"` // what messages call it: a name, or else a digest or image ID
	OK        bool   `json:"ok"`
	Error     *Error `json:"error,omitempty"`     // set if not OK
	Reference string `json:"reference,omitempty"` // what to pull it by: repository@digest

	inspect.Image

	ArtifactType string          `json:"artifactType,omitempty"` // of what is no container image
	Rewritten    bool            `json:"rewritten,omitempty"`    // only some platforms, in a new index
	Converted    bool            `json:"converted,omitempty"`    // the registry wanted other media types
	Schema1      digest.Digest   `json:"schema1Digest,omitempty"`
	Replaced     digest.Digest   `json:"replacedDigest,omitempty"` // what had the name before
	Blobs        *int64          `json:"blobBytes,omitempty"`      // all its blobs in a layout
	Frees        *int64          `json:"freesBytes,omitempty"`     // what rm and gc of it alone would free
	Forecast     []Forecast      `json:"forecast,omitempty"`       // what would move of it, by platform
	Faults       []Fault         `json:"faults,omitempty"`
	Absent       []digest.Digest `json:"absent,omitempty"` // what is not here and need not be
	Signature    *ImageSignature `json:"signature,omitempty"`
	Places       []Place         `json:"places,omitempty"` // where files name it
}

// Place is where a file names an image.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
	In   string `json:"in,omitempty"` // what needs the image: a service, a Deployment, a job
}

// Remark is about a place in a file that gave no name of an image, or a doubtful one.
type Remark struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"` // absent: the whole file
	Text    string `json:"text"`
	Missing bool   `json:"missing,omitempty"` // an image may be missing because of it
}

// Shard is one of several parts of the images.
type Shard struct {
	Index  int `json:"index"` // from 1 on
	Count  int `json:"count"`
	Images int `json:"imageCount"`    // in this part
	Of     int `json:"allImageCount"` // in all parts together
}

// ImageSignature is what is known of the signatures of an image.
type ImageSignature struct {
	State         string     `json:"state"`                   // signed, or why not, in a word
	Keys          []ImageKey `json:"keys,omitempty"`          // that have signed it
	ManifestCount int        `json:"manifestCount,omitempty"` // that are signed each, where the index is not
	SignedNames   []string   `json:"signedNames,omitempty"`   // what it was called when it was signed
	Reason        string     `json:"reason,omitempty"`        // why it is not signed
}

// ImageKey is a public key that images are signed with.
type ImageKey struct {
	File        string        `json:"file"`
	Fingerprint digest.Digest `json:"fingerprint"`
}

// Key is a public key that was made.
type Key struct {
	ID     string `json:"id"` // as minisign prints it
	File   string `json:"file"`
	Public string `json:"public"` // as minisign -P takes it
}

// Signature says who has signed the set file of an archive.
type Signature struct {
	File       string `json:"file"`                 // the set file
	Signature  string `json:"signature"`            // the file with its signature
	Key        string `json:"key"`                  // key ID of minisign, or fingerprint of ssh
	KeyFile    string `json:"keyFile,omitempty"`    // where the key stands among those of --key
	Principals string `json:"principals,omitempty"` // of an allowed signer of ssh
	Time       string `json:"time,omitempty"`       // as the signer's clock had it
	Comment    string `json:"trustedComment,omitempty"`
}

// File is a file that was written.
type File struct {
	Path      string        `json:"path"`
	SizeBytes int64         `json:"sizeBytes"`
	Digest    digest.Digest `json:"digest"`
}

// Fault is a part of an image that is bad or missing.
type Fault struct {
	Kind   image.Part    `json:"kind"`
	Digest digest.Digest `json:"digest,omitempty"`
	Path   string        `json:"path,omitempty"` // in a tar or layout
	Reason string        `json:"reason"`
}

// Missing is a blob that was left out of an archive, and that is not where it should be.
type Missing struct {
	Digest    digest.Digest `json:"digest"`
	SizeBytes int64         `json:"sizeBytes"`
	Images    []string      `json:"images"` // that need it

	// Bases are layers that would do too: the blob travels as a patch of them, and they are not there either.
	Bases []Base `json:"bases,omitempty"`
}

// Base is a layer that a patch needs.
type Base struct {
	Digest    digest.Digest `json:"digest"`
	SizeBytes int64         `json:"sizeBytes"`
	DiffID    digest.Digest `json:"diffID"` // what it unpacks to
}

// Patches are layers that are not in an archive, which has patches of other layers instead.
type Patches struct {
	LayerCount int    `json:"layerCount"`
	SizeBytes  int64  `json:"sizeBytes"`  // of the layers
	PatchBytes int64  `json:"patchBytes"` // of what the archive has of them
	Bases      []Base `json:"bases"`      // that they are patches of, each once

	Layers []Patch `json:"layers,omitempty"` // of an archive that was written: all that are worth a patch
}

// Transfer is what a command has moved.
type Transfer struct {
	TransferredBytes int64   `json:"transferredBytes"`
	PresentBytes     int64   `json:"presentBytes"` // there already
	Seconds          float64 `json:"seconds"`
}

// Forecast is what would move of a part of an image, or of all images.
type Forecast struct {
	Of           string `json:"of,omitempty"` // the platform, attestation or referrers
	TotalBytes   int64  `json:"totalBytes"`
	SharedBytes  int64  `json:"sharedBytes"`  // what stands in a row before this one
	PresentBytes int64  `json:"presentBytes"` // of the rest, what is where it goes already
	ToMoveBytes  int64  `json:"toMoveBytes"`
	LackingBytes int64  `json:"lackingBytes,omitempty"` // left out at the source, and not where it goes

	UncompressedBytes int64 `json:"uncompressedBytes,omitempty"` // of layers that are compressed on their way
	UncompressedCount int   `json:"uncompressedCount,omitempty"` // of these layers
}

// Expected is what a command would move altogether.
type Expected struct {
	Forecast
	BlobCount int             `json:"blobCount"`
	Disks     []Disk          `json:"disks,omitempty"`
	Seconds   float64         `json:"seconds,omitempty"` // at the rate that was given
	Lacking   []digest.Digest `json:"lacking,omitempty"` // the blobs of LackingBytes
}

// Disk is the room that a command would need on a disk.
type Disk struct {
	Path        string `json:"path"`
	NeededBytes int64  `json:"neededBytes"`
	Bound       string `json:"bound,omitempty"`     // at-least or about; empty: it is exact
	FreeBytes   *int64 `json:"freeBytes,omitempty"` // absent if unknown
	VolumeCount int    `json:"volumeCount,omitempty"`
}

// Blobs counts blobs or files.
type Blobs struct {
	BlobCount int   `json:"blobCount"`
	SizeBytes int64 `json:"sizeBytes"`
}

// Inventory is what the file of an inventory says, in numbers.
type Inventory struct {
	Blobs
	ChainCount   int       `json:"chainCount"`
	NameCount    int       `json:"nameCount"`
	ImageCount   int       `json:"imageCount"` // that were looked at
	SkippedCount int       `json:"skippedCount"`
	Skipped      []Skipped `json:"skipped,omitempty"` // at most 10,000
}

// Skipped is what an inventory does not count.
type Skipped struct {
	Image  string `json:"image,omitempty"`
	Reason string `json:"reason"`
}

// Setting is the value of a flag that is set elsewhere than on the command line.
type Setting struct {
	Name       string   `json:"name"`
	ForCommand string   `json:"forCommand,omitempty"` // empty: for all that have the flag
	Values     []string `json:"values"`               // passwords masked
	From       string   `json:"from"`                 // the name of a variable, or FILE:LINE
	Overridden bool     `json:"overridden,omitempty"` // a variable counts instead
}

// Error says why something failed.
type Error struct {
	Code string `json:"code"` // what kind of failure it is: one word for each exit code
	Text string `json:"text"` // for people; its wording may change
}

// codes are the words for exit codes.
var codes = map[int]string{
	2: "usage", 3: "not-found", 4: "denied", 5: "unavailable", 6: "integrity", 7: "partly",
}

// Code is the word for an exit code.
func Code(exit int) string {
	if exit > 128 { // a signal
		return "interrupted"
	}
	if word := codes[exit]; word != "" {
		return word
	}
	return "other"
}

// Platforms describes platforms. Nothing else is known of them.
func Platforms(all []v1.Platform) []inspect.Platform {
	var shown []inspect.Platform
	for _, p := range all {
		if p.OS == "" {
			continue
		}
		shown = append(shown, inspect.Platform{
			Platform: strings.TrimSuffix(image.FormatPlatform(p), ":"+p.OSVersion), OSVersion: p.OSVersion,
			OSFeatures: p.OSFeatures,
		})
	}
	return shown
}

// called is what to call an image that may have no name.
func called(im *inspect.Image) string {
	name := cmp.Or(im.Ref, im.Digest.String())
	if len(im.Names) > 0 {
		name = im.Names[0]
	}
	if name == "" && len(im.Platforms) > 0 {
		name = im.Platforms[0].ID.String()
	}
	return name
}

// Inspected makes results of descriptions.
func Inspected(images []*inspect.Image) []Image {
	all := []Image{}
	for _, im := range images {
		all = append(all, Image{Name: called(im), OK: true, Image: *im})
	}
	return all
}
