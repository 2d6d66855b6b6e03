package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drayage/internal/fakeregistry"
)

// tacked is what stands behind a reason and repeats it.
var tacked = regexp.MustCompile(`: (not found|integrity check failed|access denied|no space left on device|` +
	`file does not exist)$`)

// reasonAlone is a message in which such words are the only reason.
var reasonAlone = regexp.MustCompile(`^drayage: \S+ \S+: (file does not exist|not found)$`)

// repeats finds what an error says twice: a path or name behind a colon, or a kind behind its reason.
func repeats(text string) string {
	parts := strings.Split(strings.TrimSpace(text), ": ")
	for i := 1; i < len(parts); i++ {
		words := strings.Fields(parts[i-1])
		if len(words) > 0 && strings.HasPrefix(parts[i]+" is ", words[len(words)-1]+" is ") {
			return parts[i]
		}
	}
	line := strings.TrimSpace(text)
	if kind := tacked.FindString(line); kind != "" && !reasonAlone.MatchString(line) {
		return kind
	}
	return ""
}

// TestErrorsSayThingsOnce tries many ways to fail. No message says a thing twice, and each names what it is
// about.
func TestErrorsSayThingsOnce(t *testing.T) {
	r, at := served(t)
	broken := fakeregistry.New()
	breakImages(broken)
	bad := serveFake(t, broken)
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"empty", "images"} {
		if err := os.Mkdir(name, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("text.tar", "this is text")
	write("none.tar", "")
	write("zip.tar", "PK\x03\x04 and more of it")
	write("gz.tar", "\x1f\x8b\x08\x00 damaged")
	write("list", "# nothing\n")
	if code, text := drayage(t, "fetch", at+"/solo:1", "-o", "images", "--platform", "linux/amd64"); code != 0 {
		t.Fatal(text)
	}
	if code, text := drayage(t, "save", "images", "-o", "good.tar", "--platform", "linux/amd64"); code != 0 {
		t.Fatal(text)
	}
	good, err := os.ReadFile("good.tar")
	if err != nil {
		t.Fatal(err)
	}
	write("cut.tar", string(good[:len(good)/2]))
	_ = os.Symlink("nowhere", "dangling.tar")
	r.RequireBasic("ann", "secret")
	ran := 0
	for _, line := range strings.Split(strings.TrimSpace(waysToFail), "\n") {
		line = strings.NewReplacer("REG", at, "BAD", bad).Replace(line)
		code, text := drayage(t, strings.Fields(line)...)
		if code == 0 {
			t.Errorf("%s: no error", line)
		}
		for said := range strings.Lines(text) {
			if !strings.HasPrefix(said, "drayage: ") {
				continue
			}
			ran++
			if twice := repeats(said); twice != "" {
				t.Errorf("%s: says %q twice or for nothing: %s", line, twice, said)
			}
		}
	}
	if ran < 60 {
		t.Errorf("only %d errors", ran)
	}
	if left, _ := filepath.Glob("out.t*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

const waysToFail = `
push absent.tar REG/x:1
push text.tar REG/x:1
push none.tar REG/x:1
push zip.tar REG/x:1
push gz.tar REG/x:1
push cut.tar REG/x:1
push dangling.tar REG/x:1
push empty REG/x:1
push images/absent REG/x:1
push oci:images:absent REG/x:1
push docker-archive:good.tar:absent REG/x:1
push good.tar REG/x:1
push images REG/x/
push images REG/x/ --creds ann:wrong
verify absent.tar
verify oci:absent
verify text.tar
verify none.tar
verify zip.tar
verify gz.tar
verify cut.tar
verify empty
verify dangling.tar
verify --repair empty
verify --repair absent
inspect absent.tar
inspect text.tar
inspect none.tar
inspect cut.tar
inspect empty
inspect dangling.tar
inspect oci:images:absent
inspect images --platform linux/s390x
inspect REG/solo:1
inspect REG/solo:1 --creds ann:wrong
inspect BAD/absent:1
ls absent/
digest text.tar
digest empty
digest BAD/absent:1
digest images --platform linux/s390x
manifest good.tar
manifest empty
manifest BAD/absent
config text.tar
config empty
blob BAD/flipped
blob BAD/absent@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
blob BAD/flipped@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
save absent.tar -o out.tar
save text.tar -o out.tar
save empty -o out.tar
save cut.tar -o out.tar
save oci:images:absent -o out.tar
save BAD/flipped:1 -o out.tar --platform linux/amd64
save BAD/short:1 -o out.tar --platform linux/amd64
save BAD/diffid:1 -o out.tar --platform linux/amd64
save BAD/flipped:1 -o out.tar --platform linux/amd64 --format oci
save BAD/flipped:1 -o out.tgz --platform linux/amd64
save BAD/absent:1 BAD/absent:2 -o out.tar
save images -o absent/out.tar
save images -o out.tar --platform linux/s390x
save images BAD/absent:1 -o out.tar
fetch BAD/absent:1 -o out
fetch BAD/absent:1 BAD/absent:2 -o out
fetch BAD/flipped:1 -o out --platform linux/amd64
fetch BAD/short:1 BAD/flipped:1 -o out --platform linux/amd64
fetch REG/solo:1 -o out
fetch REG/solo:1 -o out --creds ann:wrong
fetch REG/solo:1 -o text.tar/x
fetch --from absent -o out
fetch --from list -o out
fetch --from empty -o out
fetch BAD/once:1 -o out --platform linux/s390x
fetch BAD/once:1 -o out --authfile absent
fetch BAD/once:1 -o out --ca-file absent
fetch BAD/once:1 -o out --ca-file empty
fetch BAD/once:1 -o out --ca-file text.tar
fetch localhost:1/x:1 -o out
rm oci:absent:x
rm oci:images:absent
tag oci:absent:a b
tag oci:images:absent b
gc absent
gc empty
login REG --creds ann:wrong
`
