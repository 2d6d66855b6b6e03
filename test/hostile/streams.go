package hostile

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"drayage/internal/imagetest"
)

// head is the header of a file whose content does not follow.
func head(name string, size int64) []byte {
	var b bytes.Buffer
	must(tar.NewWriter(&b).WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size}))
	return b.Bytes()
}

func bombs() []Archive {
	return []Archive{
		refused(51, "a layer of a gigabyte of zeros in gzip", func(im *image) {
			im.put(imagetest.Entry{Name: layer0, Body: string(zeros(1 << 30))})
		}),
		refused(51, "a zstd window of 2 GiB", func(im *image) {
			im.put(imagetest.Entry{Name: layer0, Body: "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00"})
		}),
		refused(51, "an xz dictionary of 4 GiB", func(im *image) {
			im.put(imagetest.Entry{Name: layer0,
				Body: string([]byte(
					"\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x28\x00\x00\x00\xb9\xf4\xb3\xac\x01\x00"))})
		}),
		refused(51, "gzip in gzip in gzip", func(im *image) {
			im.put(imagetest.Entry{Name: layer0,
				Body: string(imagetest.Gzip(imagetest.Gzip(imagetest.Gzip(im.layers[0]))))})
		}),
		{Case: 51, Name: "a gigabyte of zeros in gzip and no tar", make: func() []byte { return zeros(1 << 30) }},
	}
}

// checksum makes a changed header right again.
func checksum(h []byte) {
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

// reheaded changes the header of the first layer and gives it a right checksum.
func reheaded(name string, change func(h []byte)) Archive {
	return Archive{Case: 52, Name: name, make: func() []byte {
		raw := newImage().pack()
		at := bytes.Index(raw, []byte(layer0))
		h := raw[at : at+512]
		change(h)
		checksum(h)
		return raw
	}}
}

// extended puts PAX records before the first layer.
func extended(name string, records ...string) Archive {
	return Archive{Case: 52, Name: name, make: func() []byte {
		raw := newImage().pack()
		at := bytes.Index(raw, []byte(layer0))
		var body strings.Builder
		for _, r := range records {
			n := len(r) + 3
			n += len(fmt.Sprint(n))
			fmt.Fprintf(&body, "%d %s\n", n, r)
		}
		h := head("PaxHeaders/x", int64(body.Len()))
		h[156] = tar.TypeXHeader
		checksum(h)
		pad := make([]byte, (512-body.Len()%512)%512)
		return bytes.Join([][]byte{raw[:at], h, []byte(body.String()), pad, raw[at:]}, nil)
	}}
}

func headers() []Archive {
	base256 := func(n uint64) func([]byte) {
		return func(h []byte) {
			clear(h[124:136])
			h[124] = 0x80
			binary.BigEndian.PutUint64(h[128:136], n)
		}
	}
	return []Archive{
		reheaded("a size of 2^63-1", base256(1<<63-1)), reheaded("a size of 2^63", base256(1<<63)),
		reheaded("a negative size", func(h []byte) { copy(h[124:136], bytes.Repeat([]byte{0xff}, 12)) }),
		reheaded("a size of 8 GiB", func(h []byte) { copy(h[124:136], "77777777777\x00") }),
		reheaded("a sparse file of old GNU tar", func(h []byte) { h[156] = 'S' }),
		extended("PAX: a size of 2^62", "size=4611686018427387904"), extended("PAX: a negative size", "size=-1"),
		extended("PAX: the name of another", "path=layer1/layer.tar"),
		extended("PAX: a sparse file of a terabyte", "GNU.sparse.major=0", "GNU.sparse.minor=1",
			"GNU.sparse.name="+layer0, "GNU.sparse.size=1000000000000", "GNU.sparse.numblocks=1",
			"GNU.sparse.map=0,1"),
		extended("PAX: ten million holes", "GNU.sparse.size=100000000", "GNU.sparse.numblocks=10000000",
			"GNU.sparse.map=0,1"),
		{Case: 52, Name: "PAX: a record of a gigabyte", size: 1<<30 + 4096, make: func() []byte {
			h := head("PaxHeaders/x", 1<<30)
			h[156] = tar.TypeXHeader
			checksum(h)
			return append(h, "1073741824 comment="...)
		}},
	}
}

// whole changes a packed archive.
func whole(number int, name string, taken bool, change func([]byte) []byte) Archive {
	return Archive{Case: number, Name: name, Taken: taken, make: func() []byte {
		return change(newImage().pack())
	}}
}

func ends() []Archive {
	return []Archive{
		whole(53, "cut in a layer", false, func(raw []byte) []byte { return raw[:len(raw)/2] }),
		whole(53, "cut in manifest.json", false, func(raw []byte) []byte {
			return raw[:bytes.Index(raw, []byte(`[{"Config"`))+20]
		}),
		whole(53, "no end", true, func(raw []byte) []byte { return raw[:len(raw)-1024] }),
		whole(53, "zeros behind the end", true, func(raw []byte) []byte {
			return append(raw, make([]byte, 100<<10)...)
		}),
		whole(53, "a second archive behind the end", false, func(raw []byte) []byte {
			return append(raw, changed(func(im *image) {
				im.reconfigure(bytes.Replace(im.config, []byte("hostile"), []byte("HOSTILE"), 1))
			})...)
		}).rival(),
		whole(53, "text behind the end", false, func(raw []byte) []byte { return append(raw, "garbage"...) }),
	}
}

func packings() []Archive {
	return []Archive{
		whole(54, "two gzip members", true, func(raw []byte) []byte {
			return append(imagetest.Gzip(raw[:5000]), imagetest.Gzip(raw[5000:])...)
		}),
		whole(54, "gzip of gzip", false, func(raw []byte) []byte { return imagetest.Gzip(imagetest.Gzip(raw)) }),
		whole(54, "gzip that is cut", false, func(raw []byte) []byte {
			z := imagetest.Gzip(raw)
			return z[:len(z)-9]
		}),
		whole(54, "gzip with a wrong checksum", false, func(raw []byte) []byte {
			z := imagetest.Gzip(raw)
			z[len(z)-8] ^= 1
			return z
		}),
		whole(54, "gzip, then text", false, func(raw []byte) []byte {
			return append(imagetest.Gzip(raw), "garbage"...)
		}),
	}
}
