package dockerauth

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzConfig reads any file, and where that works, adds an entry: that is found then, and all other fields
// are what they were.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"auths":{"r.example":{"auth":"YTpi"}},"credsStore":"x","credHelpers":{"a":"b"}}`))
	f.Add(
		[]byte(
			"{\n\t\"auths\": {\n\t\t\"https://r.example/v1/\": " +
				"{\"auth\":\"YTpi\\u0000\",\"email\":null}\n\t},\n\t\"z\": [1e3]\n}\n"))
	f.Add([]byte(`{"Auths":null,"authſ":{}}`))
	f.Add([]byte(`{"auths":{"r.example/x":{"identitytoken":"t"},"":{}}}`))
	f.Add([]byte(" \n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		conf, err := parseConfig(raw, false)
		if old, err := parseConfig(raw, true); err == nil {
			old.find("r.example", "team/app")
		}
		if err != nil {
			if strings.Contains(err.Error(), "secret") {
				t.Error(err)
			}
			return
		}
		if key, e, ok := conf.find("r.example", "team/app"); ok {
			e.credential("file", key)
		}
		conf.helper("r.example")
		doc, err := parseDocument(raw)
		if err != nil || doc.setAuth("r.example", ann) != nil {
			return
		}
		after, err := parseConfig(doc.bytes(), false)
		if err != nil {
			t.Fatalf("%v: %s", err, doc.bytes())
		}
		key, e, _ := after.find("r.example", "")
		if c, err := e.credential("file", key); err != nil || c != ann {
			t.Errorf("%+v, %v: %s", c, err, doc.bytes())
		}
		if after.CredsStore != conf.CredsStore || !reflect.DeepEqual(after.CredHelpers, conf.CredHelpers) {
			t.Errorf("helpers are not what they were: %s", doc.bytes())
		}
		if before, now := others(t, raw), others(t, doc.bytes()); !reflect.DeepEqual(before, now) {
			t.Errorf("%v became %v", before, now)
		}
	})
}

// others are the fields of a file but for auths.
func others(t *testing.T, raw []byte) map[string]any {
	all := map[string]any{}
	if len(bytes.TrimSpace(raw)) > 0 {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		if err := dec.Decode(&all); err != nil {
			t.Fatal(err)
		}
	}
	for name := range all {
		if strings.EqualFold(name, "auths") {
			delete(all, name)
		}
	}
	return all
}
