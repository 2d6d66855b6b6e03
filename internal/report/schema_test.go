package report_test

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drayage/inspect"
	"drayage/internal/report"
	"drayage/internal/tell"
)

// object is a schema of an object, as far as its properties go.
type object struct {
	Properties           map[string]json.RawMessage
	AdditionalProperties *bool
	Items                *object
	Defs                 map[string]object `json:"$defs"`
}

// TestSchemaHasEveryField compares the types with docs/results.schema.json, which programs rely on.
func TestSchemaHasEveryField(t *testing.T) {
	raw, err := os.ReadFile("../../docs/results.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema object
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	for name, of := range map[string]any{
		"result": report.Document{}, "error": report.Error{}, "image": report.Image{}, "fault": report.Fault{},
		"transfer": report.Transfer{}, "blobs": report.Blobs{}, "setting": report.Setting{}, "message": tell.Line{},
		"platform": inspect.Platform{}, "config": inspect.Config{}, "layer": inspect.Layer{},
		"pullQuota": inspect.Quota{}, "build": report.Build{}, "missing": report.Missing{},
		"base": report.Base{}, "patches": report.Patches{}, "patch": report.Patch{},
		"inventory": report.Inventory{}, "skipped": report.Skipped{},
		"shard": report.Shard{}, "signature": report.Signature{}, "key": report.Key{},
		"imageSignature": report.ImageSignature{}, "imageKey": report.ImageKey{},
	} {
		compare(t, name, schema.Defs[name], of)
	}
	for name, of := range map[string]any{
		"attestations": inspect.Attestation{}, "referrers": inspect.Referrer{},
	} {
		var list object
		if err := json.Unmarshal(schema.Defs["image"].Properties[name], &list); err != nil || list.Items == nil {
			t.Fatalf("%s: %v", name, err)
		}
		compare(t, name, *list.Items, of)
	}
}

func compare(t *testing.T, name string, schema object, of any) {
	t.Helper()
	var got []string
	for field := range schema.Properties {
		got = append(got, field)
	}
	slices.Sort(got)
	if diff := cmp.Diff(fields(reflect.TypeOf(of)), got); diff != "" {
		t.Errorf("%s: the types (-) and the schema (+) differ:\n%s", name, diff)
	}
	if schema.AdditionalProperties == nil || *schema.AdditionalProperties {
		t.Errorf("%s may have any field", name)
	}
}

// fields lists the names that a type has in JSON.
func fields(of reflect.Type) (names []string) {
	for f := range of.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case !f.IsExported(): // JSON does not have it
		case f.Anonymous:
			names = append(names, fields(f.Type)...)
		case name == "":
			names = append(names, f.Name)
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestCode(t *testing.T) {
	for exit, want := range map[int]string{
		1: "other", 2: "usage", 3: "not-found", 7: "partly", 130: "interrupted", 99: "other",
	} {
		if got := report.Code(exit); got != want {
			t.Errorf("%d: %s", exit, got)
		}
	}
}
