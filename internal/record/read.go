package record

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/jsonkeys"
	"drayage/internal/kind"
	"drayage/internal/limits"
	"drayage/internal/plaintext"
	"drayage/internal/verify"
)

// ErrNotRecord says that a file is no record.
var ErrNotRecord = errors.New("not a record")

// What stands before and behind the JSON in a page. The JSON holds no < of its own.
const (
	scriptBegin = `<script type="application/json" id="record">` + "\n"
	scriptEnd   = `</script>`
)

// beforeScript is how many bytes of a page may stand before the JSON.
const beforeScript = 64 << 10

// Open reads the record in a file.
func Open(name string) (*Document, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	doc, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return doc, nil
}

// Redrawn reports whether the file of a record is a page that is not, byte for byte, what WritePage makes of
// it: the page may show something else than its JSON says, or another version of drayage has written it.
func Redrawn(name string, doc *Document) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	begin, _ := r.Peek(beforeScript)
	if !bytes.Contains(begin, []byte(scriptBegin)) {
		return false, nil
	}
	err = WritePage(&same{r}, doc)
	if _, more := r.ReadByte(); err == nil && more == nil {
		err = errOther
	}
	if errors.Is(err, errOther) {
		return true, nil
	}
	return false, err
}

var errOther = errors.New("other bytes")

// same is a writer that compares what it gets with what stands in r.
type same struct{ r io.Reader }

func (s *same) Write(p []byte) (int, error) {
	there := make([]byte, len(p))
	if _, err := io.ReadFull(s.r, there); err != nil || !bytes.Equal(there, p) {
		return 0, errOther
	}
	return len(p), nil
}

// Read reads a record: JSON, or a page that holds JSON. Of a page it reads nothing else, so what the page
// shows does not count. The record holds together: digests are digests, and layers of images are listed.
func Read(r io.Reader) (*Document, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxSize+beforeScript+1))
	if err != nil {
		return nil, err
	}
	raw = plaintext.UTF8(raw)
	begin := bytes.TrimLeft(raw[:min(len(raw), beforeScript)], " \t\r\n")
	if !bytes.HasPrefix(begin, []byte("{")) {
		if raw, err = inPage(raw); err != nil {
			return nil, err
		}
	}
	if len(raw) > MaxSize {
		return nil, kind.Errorf(image.ErrTooMany, "the record is larger than %d MiB", MaxSize>>20)
	}
	if n := jsonkeys.Values(raw); n > limits.RecordValues {
		return nil, kind.Errorf(image.ErrTooMany, "the record has more than %d values", limits.RecordValues)
	}
	doc := &Document{}
	if err := json.Unmarshal(raw, doc); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotRecord, err)
	}
	if doc.MediaType != MediaType {
		return nil, fmt.Errorf("%w of this version: its mediaType is %q, and not %q", ErrNotRecord,
			doc.MediaType, MediaType)
	}
	if err := jsonkeys.UniqueNames(raw); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotRecord, err)
	}
	return doc, doc.check()
}

// inPage finds the JSON in a page.
func inPage(raw []byte) ([]byte, error) {
	_, rest, found := bytes.Cut(raw, []byte(scriptBegin))
	if !found || len(raw)-len(rest) > beforeScript {
		return nil, fmt.Errorf("%w: it is neither JSON nor a page that --record has written", ErrNotRecord)
	}
	within, _, found := bytes.Cut(rest, []byte(scriptEnd))
	if !found {
		return nil, fmt.Errorf("%w: its JSON is cut off, or larger than %d MiB", ErrNotRecord, MaxSize>>20)
	}
	return within, nil
}

// check reports what of a record cannot be.
func (doc *Document) check() error {
	for _, f := range doc.Files {
		if raw, err := hex.DecodeString(f.SHA256); err != nil || len(raw) != 32 || f.Size < 0 {
			return fmt.Errorf("%w: file %q has the SHA-256 %q and %d bytes", ErrNotRecord, f.Name, f.SHA256, f.Size)
		}
	}
	layers := doc.byKey()
	for key, l := range layers {
		if err := errors.Join(check(key), maybe(l.DiffID)); err != nil || l.Size < 0 {
			return fmt.Errorf("%w: layer %q of %d bytes: %v", ErrNotRecord, key, l.Size, err)
		}
	}
	for i := range doc.Images {
		if err := doc.Images[i].check(layers); err != nil {
			return fmt.Errorf("%w: image %q: %v", ErrNotRecord, doc.Images[i].Title(), err)
		}
	}
	if len(byKey(doc.Images)) < len(doc.Images) {
		return fmt.Errorf("%w: an image stands in it twice", ErrNotRecord)
	}
	for _, r := range doc.Referrers {
		if err := errors.Join(check(r.Digest), maybe(r.Subject)); err != nil {
			return fmt.Errorf("%w: referrer %q: %v", ErrNotRecord, r.Digest, err)
		}
	}
	if !doc.addsUp() {
		return fmt.Errorf("%w: its sums are not those of its layers", ErrNotRecord)
	}
	return nil
}

func (im *Image) check(layers map[digest.Digest]*Layer) error {
	if err := check(im.Key()); err != nil {
		return err
	}
	for _, p := range im.Platforms {
		if err := errors.Join(maybe(p.Digest), maybe(p.ID)); err != nil {
			return err
		}
		for _, key := range p.Layers {
			if layers[key] == nil {
				return fmt.Errorf("layer %q is not in the list of layers", key)
			}
		}
	}
	return nil
}

func check(d digest.Digest) error { return verify.Digest(d) }

// maybe accepts no digest at all too.
func maybe(d digest.Digest) error {
	if d == "" {
		return nil
	}
	return verify.Digest(d)
}
