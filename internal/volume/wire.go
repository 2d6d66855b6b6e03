package volume

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/internal/jsonkeys"
	"drayage/internal/limits"
)

// wire is a set file as it is written.
type wire struct {
	MediaType    string        `json:"mediaType"`
	Name         string        `json:"name"`
	Size         int64         `json:"size"`
	SHA256       digest.Digest `json:"sha256"`
	Block        int64         `json:"block"`
	Volume       int64         `json:"volume"`
	Volumes      []Volume      `json:"volumes"`
	Parity       []Volume      `json:"parity"`
	Blocks       string        `json:"blocks"`
	ParityBlocks string        `json:"parityBlocks"`
}

// Parse reads a set file. It accepts what Encode writes, in any spacing and with fields that it does not
// know. The result passes [Set.Check]. The error about a file that needs another version wraps [ErrNewer].
func Parse(data []byte) (*Set, error) {
	if len(data) > limits.SetFile {
		return nil, fmt.Errorf("it has %d bytes, more than the %d that are accepted", len(data), limits.SetFile)
	}
	if n := jsonkeys.Values(data); n > limits.SetValues {
		return nil, fmt.Errorf("it has %d values, more than the %d that are accepted", n, limits.SetValues)
	}
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("it is not valid: %v", err)
	}
	if err := jsonkeys.UniqueFields(data); err != nil {
		return nil, fmt.Errorf("it is ambiguous: %v", err)
	}
	switch {
	case w.MediaType == MediaType:
	case strings.HasPrefix(w.MediaType, versions):
		return nil, fmt.Errorf("it is of the type %.100q: %w", w.MediaType, ErrNewer)
	default:
		return nil, fmt.Errorf("it is of the type %.100q and not %q", w.MediaType, MediaType)
	}
	s := &Set{Name: w.Name, Size: w.Size, SHA256: w.SHA256, Block: w.Block, Volume: w.Volume,
		Volumes: w.Volumes, Parity: w.Parity}
	var err error
	if s.Blocks, err = hashes(w.Blocks, "blocks"); err != nil {
		return nil, err
	}
	if s.ParityBlocks, err = hashes(w.ParityBlocks, "parityBlocks"); err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	return s, nil
}

// hashes decodes one of the lists of hashes. There is one spelling of it only.
func hashes(text, field string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	sums, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(sums) != text {
		return nil, fmt.Errorf("its field %s is not base64 as RFC 4648 has it", field)
	}
	return sums, nil
}

// Encode returns the bytes of the set file, with one volume a line. Equal sets give equal bytes. It fails if
// the set does not pass [Set.Check].
func (s *Set) Encode() ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("the set file: %w", err)
	}
	name, err := json.Marshal(s.Name)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBufferString(`{"mediaType":"` + MediaType + `",` + "\n")
	fmt.Fprintf(b, `"name":%s,"size":%d,"sha256":%q,`+"\n"+`"block":%d,`, name, s.Size, s.SHA256, s.Block)
	if s.Volume > 0 {
		fmt.Fprintf(b, `"volume":%d,`, s.Volume)
	}
	writeVolumes(b, "volumes", s.Volumes)
	if len(s.Parity) > 0 {
		writeVolumes(b, "parity", s.Parity)
	}
	fmt.Fprintf(b, "\n"+`"blocks":%q`, base64.StdEncoding.EncodeToString(s.Blocks))
	if len(s.Parity) > 0 {
		fmt.Fprintf(b, ",\n"+`"parityBlocks":%q`, base64.StdEncoding.EncodeToString(s.ParityBlocks))
	}
	b.WriteString("}\n")
	if b.Len() > limits.SetFile {
		return nil, fmt.Errorf("the set file has %d bytes, more than %d", b.Len(), limits.SetFile)
	}
	return b.Bytes(), nil
}

// writeVolumes adds a list of volumes and a comma.
func writeVolumes(b *bytes.Buffer, field string, all []Volume) {
	fmt.Fprintf(b, "\n%q:[", field)
	for i, v := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, "\n"+`{"size":%d,"sha256":%q}`, v.Size, v.SHA256)
	}
	b.WriteString("],")
}
