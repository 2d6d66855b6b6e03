package dockerarchive_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"drayage/dockerarchive"
)

// TestNoImage checks that what is no saved image is called by its name, from a file and from a stream.
func TestNoImage(t *testing.T) {
	big := strings.Repeat("x", 600)
	zeros := make([]byte, 40_000)
	iso := bytes.Clone(zeros)
	copy(iso[32769:], "CD001\x01")
	hybrid := bytes.Clone(iso)
	copy(hybrid, "\xfa\xb8\x00\x10")
	disk := make([]byte, 4096)
	copy(disk, "\xfa\xb8\x00\x10")
	copy(disk[510:], "\x55\xaa")
	rootFS := []entry{dir("bin/"), dir("etc/"), file("etc/passwd", "root:x:0:0")}
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"an empty file": {nil, "the file is empty"},
		"a script": {[]byte("#!/bin/sh\n" + strings.Repeat("echo no tar\n", 100)),
			"no tar file but text"},
		"a short text":             {[]byte("alpine:3.20\n"), "no tar file but text"},
		"a long text":              {bytes.Repeat([]byte("0123456\n"), 1000), "no tar file but text"},
		"text that is not English": {[]byte(strings.Repeat("aé", 200_000)), "no tar file but text"},
		"bytes":                    {bytes.Repeat([]byte{0xff}, 2048), "no tar file"},
		"one byte":                 {[]byte{0}, "no tar file"},
		"gzip":                     {gz(t, nil, archive(t, standard...)), "compressed (gzip)"},
		"zstd":                     {zstded.pack(t, archive(t, standard...)), "compressed (zstd)"},
		"lz4":                      {[]byte("\x04\x22\x4d\x18" + big), "lz4"},
		"lz4, legacy":              {[]byte("\x02\x21\x4c\x18" + big), "lz4, legacy"},
		"lzop":                     {[]byte("\x89LZO\x00\r\n\x1a\n" + big), "lzop"},
		"age":                      {[]byte("age-encryption.org/v1\n" + big), "encrypted (age)"},
		"gpg":                      {[]byte("-----BEGIN PGP MESSAGE-----\n" + big), "PGP"},
		"zip":                      {[]byte("PK\x03\x04" + big), "a zip archive"},
		"an empty zip": {[]byte("PK\x05\x06" + strings.Repeat("\x00", 18)),
			"an empty zip archive"},
		"qcow":                {[]byte("QFI\xfb" + big), "a disk image (qcow)"},
		"a disk":              {disk, "a disk image"},
		"a CD":                {iso, "a CD image"},
		"a CD that boots":     {hybrid, "a CD image"},
		"zeros and something": {append(bytes.Clone(zeros), 1), "it begins with zeros"},
		"a web page":          {[]byte("\n<!DOCTYPE HTML><html>" + big), "a web page"},
		"a pointer of Git LFS": {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
			"Git LFS"},
		"an index": {[]byte(`{"schemaVersion":2,"mediaType":"x","manifests":[]}`),
			"JSON of an image index"},
		"a large index": {[]byte(`{"schemaVersion":2,"manifests":[` +
			strings.Repeat(`{"size":1},`, 100_000)), "JSON of an image index"},
		"a manifest":             {[]byte(`{"config":{},"layers":[]}`), "JSON of an image manifest"},
		"a manifest in schema 1": {[]byte(`{"fsLayers":[]}`), "JSON of an image manifest"},
		"a configuration":        {[]byte(`{"os":"linux","rootfs":{}}`), "JSON of an image configuration"},
		"manifest.json": {[]byte(`[{"Config":"x","RepoTags":null,"Layers":[]}]`),
			"manifest.json of a saved image"},
		"oci-layout": {[]byte(`{"imageLayoutVersion":"1.0.0"}`), "oci-layout of a layout"},
		"other JSON": {[]byte(` {"a":1}`), "no tar file but JSON"},
		"an inventory": {[]byte(`{"mediaType":"application/vnd.drayage.inventory.v1+json",` + "\n\"blobs\":[]}"),
			"no tar file but an inventory, which lists blobs and holds none"},
		"a list of wanted blobs": {[]byte("{\n \"mediaType\": \"application/vnd.drayage.want.v1+json\""),
			"no tar file but a list of wanted blobs"},
		"a record":                      {[]byte(`{"mediaType":"application/vnd.drayage.record.v1+json"}`), "but a record, which"},
		"JSON of a stranger":            {[]byte(`{"mediaType":"application/vnd.drayage.x.v1+json"}`), "no tar file but JSON"},
		"JSON that is none":             {[]byte(`{` + big), "no tar file but JSON"},
		"JSON of lists":                 {bytes.Repeat([]byte("["), 100_000), "no tar file but JSON"},
		"an empty tar":                  {archive(t), "archive is empty"},
		"an empty tar of ten kilobytes": {make([]byte, 10240), "archive is empty"},
		"a global header":               {archive(t, entry{Type: 'g'}), "archive is empty"},
		"a root filesystem":             {archive(t, rootFS...), "root filesystem"},
		"a root filesystem with ./":     {archive(t, within("./", rootFS)...), "root filesystem"},
		"a root filesystem in one":      {archive(t, within("rootfs/", rootFS)...), "root filesystem"},
		"a root filesystem, files": {archive(t, file("usr/bin/true", ""), file("usr/lib/x", "")),
			"root filesystem"},
		"one that has a chart":     {archive(t, with(rootFS, file("srv/Chart.yaml", ""))...), "root filesystem"},
		"what docker export makes": {archive(t, file(".dockerenv", ""), file("app", "")), "root filesystem"},
		"a chart": {archive(t, file("chart/Chart.yaml", "name: chart"),
			file("chart/values.yaml", "")), "Helm chart"},
		"a chart with others": {archive(t, file("chart/Chart.yaml", ""),
			file("chart/charts/other/Chart.yaml", "")), "Helm chart"},
		"a chart's content": {archive(t, file("Chart.yaml", ""), file("templates/x", "")), "Helm chart"},
		"repositories": {archive(t, file("repositories", `{"a":{"1":"x"}}`), file("x/y/json", "{}")),
			"repositories and nothing else"},
		"oci-layout alone": {archive(t, file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`)),
			"no index.json"},
		"a layout without index.json": {archive(t, within("d/",
			[]entry{file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`), file("blobs/sha256/x", "")})...),
			"no index.json"},
		"a layout without oci-layout": {archive(t, file("index.json", `{"manifests":[]}`),
			file("blobs/sha256/x", "")), "no oci-layout"},
		"an archive of archives": {archive(t, file("images/a.tar", ""), file("images/b.tar", "")),
			`another archive in it, "images/a.tar"`},
		"a directory of skopeo's": {archive(t, file("manifest.json", `{"config":{},"layers":[]}`),
			file("version", "Directory Transport Version: 1.1\n")), "skopeo"},
		"another manifest.json": {archive(t, file("manifest.json", `{"name":"app"}`)), "no list of images"},
		"an OCI archive": {archive(t, file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`),
			file("index.json", `{"manifests":[]}`)), "OCI archive"},
		"something else": {archive(t, file("readme", "")), "no manifest.json"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := images(c.in)
			if !errors.Is(err, dockerarchive.ErrNotImage) || !strings.Contains(err.Error(), c.want) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestUnreadable checks that a file that cannot be read is not taken for something else.
func TestUnreadable(t *testing.T) {
	broken := errors.New("input/output error")
	if _, err := dockerarchive.NewReader(failing{broken}, 1000); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }
