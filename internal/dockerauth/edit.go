package dockerauth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// object is a JSON object whose members keep their order and whose values keep their bytes. So everything
// that other programs have written stays.
type object []member

type member struct {
	name  string
	value json.RawMessage
}

// parseObject reads an object. null is an empty one.
func parseObject(raw []byte) (object, error) {
	var check map[string]json.RawMessage
	if err := unmarshal(raw, &check); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw)) // cannot fail: raw is an object or null
	dec.Token()
	var o object
	for dec.More() {
		name, _ := dec.Token()
		m := member{name: name.(string)}
		dec.Decode(&m.value)
		o = append(o, m)
	}
	return o, nil
}

// index is where a member stands, or -1. Docker reads these files with encoding/json, which takes names of
// fields in any case.
func (o object) index(field string) int {
	return slices.IndexFunc(o, func(m member) bool { return strings.EqualFold(m.name, field) })
}

func (o object) without(drop func(name string) bool) object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return drop(m.name) })
}

func (o object) encode() json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(encodeString(m.name))
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func encodeString(s string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // a string cannot fail
	return bytes.TrimSpace(b.Bytes())
}

// document is a configuration file that is being changed.
type document struct {
	members object
	auths   object
	indent  string // of a level; empty if all stands in one line
	oneLine bool
	ending  string // after the last brace
}

func parseDocument(raw []byte) (*document, error) {
	d := &document{indent: "\t"}
	body := bytes.TrimSpace(raw)
	if len(body) == 0 {
		return d, nil
	}
	if bytes.HasSuffix(raw, []byte("\n")) {
		d.ending = "\n"
	}
	_, after, lines := bytes.Cut(body, []byte("\n"))
	d.oneLine = !lines && len(body) > len("{}")
	if rest := bytes.TrimLeft(after, " \t"); len(rest) < len(after) {
		d.indent = string(after[:len(after)-len(rest)])
	}
	var err error
	if d.members, err = parseObject(body); err != nil {
		return nil, err
	}
	if i := d.members.index("auths"); i >= 0 {
		if d.members[i+1:].index("auths") >= 0 {
			return nil, errors.New("auths stands in it twice")
		}
		d.auths, err = parseObject(d.members[i].value)
	}
	return d, err
}

func (d *document) bytes() []byte {
	members := slices.Clone(d.members)
	if i := members.index("auths"); i >= 0 {
		members[i].value = d.auths.encode()
	} else {
		members = append(members, member{"auths", d.auths.encode()})
	}
	raw := members.encode()
	var b bytes.Buffer
	if d.oneLine {
		json.Compact(&b, raw)
	} else {
		json.Indent(&b, raw, "", d.indent)
	}
	b.WriteString(d.ending)
	return b.Bytes()
}

// setAuth puts c in the place of all entries that mean the registry. A zero c marks that a helper has the
// credentials. Other members of the entry stay.
func (d *document) setAuth(registry string, c Credential) error {
	key, at := serverKey(registry), len(d.auths)
	var old object
	for i, m := range d.auths {
		if normalize(m.name) != normalize(registry) {
			continue
		}
		at = min(at, i)
		if m.name != key && old != nil {
			continue
		}
		var err error
		if old, err = parseObject(m.value); err != nil {
			return err
		}
	}
	d.removeAuth(registry)
	entry := append(old.without(isSecret), credentialMembers(c)...)
	d.auths = slices.Insert(d.auths, at, member{key, entry.encode()})
	return nil
}

// removeAuth drops all entries that mean the registry.
func (d *document) removeAuth(registry string) {
	d.auths = d.auths.without(func(name string) bool { return normalize(name) == normalize(registry) })
}

func isSecret(field string) bool {
	secret := []string{"auth", "username", "password", "identitytoken", "registrytoken"}
	return slices.ContainsFunc(secret, func(s string) bool { return strings.EqualFold(s, field) })
}

func credentialMembers(c Credential) object {
	var o object
	if c.Username != "" {
		auth := base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))
		o = append(o, member{"auth", encodeString(auth)})
	}
	if c.IdentityToken != "" {
		o = append(o, member{"identitytoken", encodeString(c.IdentityToken)})
	}
	return o
}
