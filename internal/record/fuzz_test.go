package record_test

import (
	"bytes"
	"strings"
	"testing"

	"drayage/internal/record"
)

// Whatever is accepted holds together: it can be written, shown and read again, and is the same then.
func FuzzRead(f *testing.F) {
	digest := "sha256:" + strings.Repeat("a", 64)
	whole := `{"mediaType":"` + record.MediaType + `",
"total":{"imageCount":1,"layerCount":1,"layerBytes":7,"absentBytes":7},
"files":[{"name":"a.tar","sizeBytes":3,"sha256":"` + strings.Repeat("b", 64) + `"}],
"images":[{"names":["<b>","\u202e"],"kind":"manifest","digest":"` + digest + `","platforms":[{"platform":"linux/amd64",
"created":"2025-04-16T14:50:31Z","base":{"from":"layers","layerCount":1,"image":"x"},"labels":{"a":"</script>"},
"layers":["` + digest + `","` + digest + `"]}],"layerBytes":7,"newBytes":0,"sharedBytes":0,"absentBytes":7}],
"referrers":[{"digest":"` + digest + `","subject":"` + digest + `","is":["SBOM"],"sizeBytes":1}],
"layers":[{"digest":"` + digest + `","mediaType":"m","sizeBytes":7,"imageCount":1,"absent":"destination"}]}`
	f.Add([]byte(whole))
	f.Add([]byte(`<!DOCTYPE html><script type="application/json" id="record">` + "\n" + whole + "</script>"))
	f.Add([]byte(`<script type="application/json" id="record">` + "\n"))
	f.Add([]byte(strings.Replace(whole, `"layers":[`, `"layers":["sha256:",`, 1)))
	f.Add([]byte(`{"mediaType":"` + record.MediaType + `","images":[{"platforms":null}]}`))
	f.Add([]byte("\xef\xbb\xbf" + `{"mediaType":"` + record.MediaType + `"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := record.Read(bytes.NewReader(raw))
		if err != nil {
			return
		}
		var page, text bytes.Buffer
		if err := record.Write(&text, doc); err != nil {
			t.Fatal(err)
		}
		if err := record.WritePage(&page, doc); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(page.Bytes(), []byte("<script")); n != 1 {
			t.Errorf("%d scripts", n)
		}
		for _, form := range []*bytes.Buffer{&text, &page} {
			again, err := record.Read(form)
			if err != nil {
				t.Fatal(err)
			}
			if lines := record.Compare(doc, again); len(lines) > 0 {
				t.Error(lines)
			}
		}
	})
}
