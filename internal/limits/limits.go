// Package limits is the table of what foreign bytes can make drayage do and hold. Who writes an archive, a
// layout or a manifest asks the same numbers as who reads it, so that nothing is written that cannot be read.
// Real images stay far below all of them.
package limits

// Documents that describe images.
const (
	Manifest = 4 << 20 // bytes; registries accept no larger ones
	Config   = 8 << 20 // bytes; real ones have some hundred kilobytes at most
	Values   = 1 << 18 // in one document, with those in lists and objects
	Name     = 1024    // bytes of an image's name; parsing one of megabytes takes seconds
)

// One image.
const (
	Depth     = 8        // indexes in indexes
	Manifests = 10_000   // and indexes
	Held      = 64 << 20 // bytes of these
	Referrers = 1000
)

// All images that one command reads from a layout or an archive. A manifest counts once.
const (
	AllManifests = 200_000
	AllHeld      = 256 << 20 // bytes of these
	AllRead      = 1 << 30   // bytes of manifests, counted for each image that is loaded
	// AllLeaves are manifests and indexes, counted for each name that leads to them, in an archive.
	AllLeaves = 200_000
	// AllParts are manifests, configurations and layers, counted for each name that leads to them.
	AllParts = 2_000_000
)

// A layout in a directory.
const (
	IndexJSON   = 64 << 20 // bytes
	IndexValues = 1 << 21
)

// An archive.
const (
	Entries     = 200_000   // files, links and directories
	TarPadding  = 256 << 20 // bytes behind the end of a tar that are compared with zeros
	EntryNames  = 16 << 20  // bytes of all their names and of what links lead to
	ArchiveJSON = 16 << 20  // bytes of index.json, and of manifest.json
	Images      = 20_000    // entries of index.json, and images in manifest.json
	SavedLayers = 16_000    // of an image in a docker tar: in a registry its manifest fits into Manifest then
	Configs     = 64 << 20  // bytes of the configurations of images that are read by manifest.json
)

// An inventory: the file that says what a place has.
const (
	Inventory      = 64 << 20 // bytes
	InventoryRun   = 16 << 10 // bytes of one string or number, and of white space between two
	InventoryDepth = 16       // lists and objects in each other; two are needed
)

// The delta document of an archive, which lists the blobs that are not inside.
const (
	Delta       = 32 << 20 // bytes: 10,000 images with ten layers each need 28 million
	DeltaBlobs  = 200_000
	DeltaValues = 1 << 22
	DeltaModel  = 64 // bytes of the name of a model
)

// A layer that is rebuilt from others.
const (
	PatchBases    = 16        // layers that one patch may need
	PatchImages   = 8         // older images that are looked at for one
	PatchUnpacked = 8 << 30   // bytes that these unpack to together
	PatchLeast    = 256 << 10 // bytes of a layer that is worth a patch
	PatchWindow   = 8 << 20   // bytes of the window of each of a patch's streams
	PatchModelled = 4 << 20   // bytes of new data that a model reads, and at most a 16th of a layer
	PatchFiles    = 600_000   // of all bases that are looked up, 64 bytes each
	Recipe        = 16 << 20  // bytes of a column of a recipe for gzip; they are held while it is made
	PatchChain    = 8         // patches in a row, each needing what the next one makes
)

// The set file of an archive in volumes.
const (
	SetFile         = 8 << 20 // bytes
	SetValues       = 1 << 13
	SetName         = 240     // bytes of the archive's name: file systems take 255 with what is added to it
	SetVolumes      = 255     // with parity volumes: Reed-Solomon codes of bytes have no more
	SetBlocks       = 16_384  // of all volumes
	SetParityBlocks = 131_072 // of all parity volumes
	SetBlockLeast   = 1 << 20 // bytes of a block
	SetBlockMost    = 1 << 30
)

// Checksums are the bytes of a file of checksums, with a line for each of many files.
const Checksums = 1 << 20

// Memory of decoders, in bytes.
const (
	Window     = 128 << 20 // of a zstd stream: the zstd program has the same limit
	Dictionary = 64 << 20  // of an xz stream: xz -9 needs that much
	Decoders   = 40 << 20  // of all layers that are decoded at once, but a single one may have more
)

// A list of blobs that are wanted.
const (
	Want       = 64 << 20 // bytes
	WantValues = 1 << 21
)

// RecordValues are the values in a record: ten thousand images for five platforms have half as many.
const RecordValues = 1 << 21

// What a push of a docker tar reads of each repository to find out which layers are there.
const (
	AskedTags   = 6        // whose images are looked at, besides the tags that are pushed
	AskedNames  = 100_000  // of tags, from which those are chosen
	AskedConfig = 1 << 20  // bytes of a configuration
	AskedBytes  = 16 << 20 // of all manifests and configurations
)

// Signatures and keys.
const (
	Signature      = 64 << 10 // bytes of a file with a signature; those of ssh-keygen reach 3 kilobytes
	Comment        = 1024     // bytes of a line with a comment: minisign has this limit and the next
	TrustedComment = 8192     // bytes of a line with a trusted comment
	KeyFile        = 1 << 20  // bytes of a file with a key, or with allowed signers
	Signers        = 4096     // lines of a file with allowed signers
)

// Signatures of images.
const (
	PublicKey        = 64 << 10 // bytes of a file with a key
	Signatures       = 1000     // of one image
	AllSignatures    = 100_000  // that one command looks at
	SignaturePayload = 1 << 20  // bytes of what is signed, and of a bundle
	SignatureText    = 16 << 10 // characters
	Subjects         = 1024     // of a statement
)

// Files in which names of images are looked for.
const (
	NamesFile     = 256 << 20 // bytes
	NamesDocument = 16 << 20  // bytes of a document of YAML, and of a file that is read whole
	NamesValues   = 1 << 18   // of a document; each takes 200 bytes
	NamesDepth    = 200       // lists and objects in each other
	NamesSteps    = 1 << 22   // from value to value in a document, with those that aliases stand for
	NamesFiles    = 1000      // that other files lead to
	NamesNested   = 32        // files that lead to each other, and variables in each other
	NamesText     = 1 << 16   // bytes that a text with variables can become
	NamesProduct  = 1000      // names that one text with variables can become
)

// A file of users and the hashes of their passwords.
const (
	Htpasswd     = 4 << 20 // bytes
	HtpasswdLine = 1024    // bytes
	BcryptCost   = 15      // a login takes some seconds then, and each further step doubles that
)

// Certificates bounds a file with certificates or a key, in bytes.
const Certificates = 1 << 20
