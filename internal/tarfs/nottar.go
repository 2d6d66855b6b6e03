package tarfs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"drayage/internal/compression"
)

// ErrNotTar is matched by errors about input that is no uncompressed tar. The errors say what the input is,
// as a sentence about "it".
var ErrNotTar = errors.New("no tar file")

type notTarError string

func (e notTarError) Error() string { return string(e) }

func (e notTarError) Is(target error) bool { return target == ErrNotTar }

// sniff refuses input that is no tar. It looks at the first block, and at more of what is none.
func sniff(r io.ReaderAt, size int64) error {
	prefix := make([]byte, blockSize)
	n, err := r.ReadAt(prefix, 0)
	if err != nil && err != io.EOF {
		return err
	}
	prefix = prefix[:n]
	zeros := len(bytes.Trim(prefix, "\x00")) == 0
	kind := compression.Detect(prefix)
	switch {
	case size == 0:
		return notTarError("the file is empty")
	case kind != compression.None:
		return notTarError("it is compressed (" + kind + ")")
	case size < blockSize,
		!zeros && !bytes.HasPrefix(prefix[257:], []byte("ustar")) && !plausibleV7(prefix),
		zeros && isISO(r):
		return notTarError("it is no tar file" + notTar(r))
	}
	return nil
}

// plausibleV7 lets through headers from before the magic was invented. archive/tar checks their sums.
func plausibleV7(block []byte) bool {
	mode := bytes.Trim(block[100:107], " \x00")
	return len(bytes.Trim(mode, "01234567")) == 0
}

const (
	maxSniffed = 256 << 10 // bytes that are looked at of what is no tar
	isoMagic   = 32769     // where the first descriptor of a CD image has its name
)

// magics are the first bytes of what is taken for a saved image by mistake.
var magics = []struct {
	offset      int
	magic, what string
}{
	{0, "PK\x03\x04", "a zip archive"},
	{0, "PK\x05\x06", "an empty zip archive"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7z archive"},
	{0, "Rar!\x1a\x07", "a RAR archive"},
	{0, "\x04\x22\x4d\x18", "compressed (lz4), which is not supported"},
	{0, "\x02\x21\x4c\x18", "compressed (lz4, legacy), which is not supported"},
	{0, "\x89LZO\x00", "compressed (lzop), which is not supported"},
	{0, "age-encryption.org/", "encrypted (age): decrypt it first"},
	{0, "-----BEGIN AGE ENCRYPTED", "encrypted (age): decrypt it first"},
	{0, "-----BEGIN PGP MESSAGE", "encrypted or signed (PGP): decrypt it first"},
	{0, "\x85\x02\x0c\x03", "encrypted (PGP): decrypt it first"},
	{0, "\x8c\x0d\x04", "encrypted (PGP): decrypt it first"},
	{0, "LZIP", "compressed (lzip), which is not supported"},
	{0, "\x1f\x9d", "compressed (compress), which is not supported"},
	{0, "\x5d\x00\x00", "compressed (lzma), which is not supported"},
	{0, "QFI\xfb", "a disk image (qcow)"},
	{0, "KDMV", "a disk image (VMDK)"},
	{0, "vhdxfile", "a disk image (VHDX)"},
	{0, "hsqs", "a squashfs file system"},
	{32, "SIF_MAGIC", "an image of Singularity (SIF)"},
	{0, "!<arch>\ndebian", "a Debian package"},
	{0, "\xed\xab\xee\xdb", "an RPM package"},
	{0, "070701", "a cpio archive"},
	{0, "\x7fELF", "a program"},
	{0, "MZ", "a program for Windows"},
	{0, "%PDF-", "a PDF document"},
	{0, "version https://git-lfs", "a pointer of Git LFS, which stands for the file"},
	{510, "\x55\xaa", "a disk image"},
}

// notTar says in words that follow "it is no tar file" what a file is. r may be its beginning only.
func notTar(r io.ReaderAt) string {
	prefix := make([]byte, maxSniffed)
	n, _ := r.ReadAt(prefix, 0) // what cannot be read is not looked at
	prefix = prefix[:n]
	if isISO(r) {
		return " but a CD image (ISO 9660)"
	}
	for _, m := range magics {
		if len(prefix) > m.offset && bytes.HasPrefix(prefix[m.offset:], []byte(m.magic)) {
			return " but " + m.what
		}
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(prefix, []byte("\ufeff")), " \t\r\n")
	lower := bytes.ToLower(text[:min(len(text), 20)])
	switch {
	case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.HasPrefix(lower, []byte("<html")):
		return " but a web page (HTML)"
	case len(text) > 0 && (text[0] == '{' || text[0] == '['):
		return " but " + jsonKind(text)
	case len(text) > 0 && isText(prefix):
		return " but text"
	}
	return ""
}

func isISO(r io.ReaderAt) bool {
	var magic [5]byte
	_, err := r.ReadAt(magic[:], isoMagic)
	return err == nil && string(magic[:]) == "CD001"
}

// isText reports whether bytes are text in UTF-8. The last character may be cut off.
func isText(p []byte) bool {
	for len(p) > 0 {
		c, n := utf8.DecodeRune(p)
		invalid := c == utf8.RuneError && n == 1 && len(p) >= utf8.UTFMax
		if invalid || c < ' ' && !strings.ContainsRune("\t\n\r\f\x1b", c) {
			return false
		}
		p = p[n:]
	}
	return true
}

// ownType is the media type of a file that drayage writes beside archives.
var ownType = regexp.MustCompile(`^\{\s*"mediaType":\s*"application/vnd\.drayage\.([a-z]+)\.`)

// own are these files.
var own = map[string]string{
	"inventory": "an inventory, which lists blobs and holds none",
	"want":      "a list of wanted blobs, which holds none",
	"record":    "a record, which describes an archive and holds no image",
}

// jsonKind tells documents that describe images apart by the keys of the first object, as far as it is there.
func jsonKind(text []byte) string {
	list := text[0] == '['
	keys := firstKeys(bytes.TrimLeft(text, "[ \t\r\n"))
	has := func(key string) bool { return slices.Contains(keys, key) }
	if m := ownType.FindSubmatch(text); m != nil && own[string(m[1])] != "" {
		return own[string(m[1])]
	}
	switch {
	case list && has("Config") && has("Layers"):
		return "the manifest.json of a saved image, without the rest of it"
	case has("manifests"):
		return "the JSON of an image index, without what it leads to"
	case has("config") && has("layers"), has("fsLayers"):
		return "the JSON of an image manifest, without the configuration and layers"
	case has("rootfs"):
		return "the JSON of an image configuration, without the layers"
	case has("imageLayoutVersion"):
		return "the file oci-layout of a layout, without the rest of it"
	}
	return "JSON"
}

func firstKeys(text []byte) (keys []string) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return keys
		}
		keys = append(keys, key.(string)) // a key of an object is nothing else
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return keys
		}
	}
	return keys
}
