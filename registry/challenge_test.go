package registry

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseChallenges(t *testing.T) {
	type params = map[string]string
	for name, tc := range map[string]struct {
		headers []string
		want    []challenge
	}{
		"none":        {nil, nil},
		"empty":       {[]string{""}, nil},
		"bare scheme": {[]string{"Negotiate"}, []challenge{{"negotiate", params{}}}},
		"docker hub": {[]string{`Bearer realm="https://auth.example/token",service="registry.example"`},
			[]challenge{{"bearer", params{"realm": "https://auth.example/token", "service": "registry.example"}}}},
		"comma inside": {[]string{`Bearer realm="r",scope="repository:a:pull,push repository:b:pull"`},
			[]challenge{{"bearer", params{"realm": "r", "scope": "repository:a:pull,push repository:b:pull"}}}},
		"escapes": {[]string{`Basic realm="say \"hi\", \\o/"`},
			[]challenge{{"basic", params{"realm": `say "hi", \o/`}}}},
		"any case": {[]string{`bEARER ReAlM="r"`}, []challenge{{"bearer", params{"realm": "r"}}}},
		"bare values": {[]string{`Bearer realm=https://auth.example/token?a=b,service=reg`},
			[]challenge{{"bearer", params{"realm": "https://auth.example/token?a=b", "service": "reg"}}}},
		"wide": {[]string{"  Bearer \t realm = \"r\" ,\t, service = s  "},
			[]challenge{{"bearer", params{"realm": "r", "service": "s"}}}},
		"empty values": {[]string{`Bearer realm="r",service="",scope=`},
			[]challenge{{"bearer", params{"realm": "r", "service": "", "scope": ""}}}},
		"two in one": {[]string{`Basic realm="x, Bearer realm=y", Bearer realm="r",service="s"`},
			[]challenge{{"basic", params{"realm": "x, Bearer realm=y"}},
				{"bearer", params{"realm": "r", "service": "s"}}}},
		"two headers": {[]string{`Negotiate`, `Basic realm="r", charset="UTF-8"`},
			[]challenge{{"negotiate", params{}}, {"basic", params{"realm": "r", "charset": "UTF-8"}}}},
		"token68": {[]string{`Negotiate YWJj==, Basic realm="r"`},
			[]challenge{{"negotiate", params{"ywjj": "="}}, {"basic", params{"realm": "r"}}}},
		"first one wins": {[]string{`Bearer realm="good",realm="bad"`},
			[]challenge{{"bearer", params{"realm": "good"}}}},
		"not closed": {[]string{`Bearer service="s",realm="r`, `Basic realm="b"`},
			[]challenge{{"bearer", params{"service": "s"}}, {"basic", params{"realm": "b"}}}},
		"garbage": {[]string{`"=,;`, `{"a":1}`, "\x00"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := parseChallenges(http.Header{"Www-Authenticate": tc.headers})
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(challenge{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParseChallenges(f *testing.F) {
	f.Add(`Bearer realm="https://a/token",service="s",scope="repository:a:pull,push"`)
	f.Add(`Basic realm="a \" b", Negotiate abc==, Digest x=y,,z`)
	f.Add(`Bearer realm="`)
	f.Fuzz(func(t *testing.T, header string) {
		all := parseChallenges(http.Header{"Www-Authenticate": {header}})
		for _, c := range all {
			if c.scheme == "" || c.scheme != strings.ToLower(c.scheme) || c.params == nil {
				t.Errorf("%q: challenge %+v", header, c)
			}
			for k, v := range c.params {
				if k == "" || k != strings.ToLower(k) || len(v) > len(header) {
					t.Errorf("%q: parameter %q=%q", header, k, v)
				}
			}
		}
		// What one value says is said again when it is quoted the way RFC 9110 asks.
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(header)
		again := parseChallenges(http.Header{"Www-Authenticate": {`Bearer realm="` + quoted + `"`}})
		if len(again) != 1 || again[0].params["realm"] != header {
			t.Errorf("%q does not survive quoting: %+v", header, again)
		}
	})
}

func TestParseContentRange(t *testing.T) {
	for in, want := range map[string][3]int64{
		"bytes 0-0/1":             {0, 0, 1},
		"bytes 5-9/10":            {5, 9, 10},
		"bytes 5-9/*":             {5, 9, -1},
		"  bytes 5-9/10 ":         {5, 9, 10},
		"bytes 5 - 9/10":          {5, 9, 10},
		"bytes 0-1099511627775/*": {0, 1<<40 - 1, -1},
	} {
		first, last, total, ok := parseContentRange([]string{in})
		if got := [3]int64{first, last, total}; !ok || got != want {
			t.Errorf("%q: %d %v", in, got, ok)
		}
	}
	for _, in := range [][]string{
		nil, {""}, {"bytes 5-9/10", "bytes 5-9/10"}, {"5-9/10"}, {"bytes */10"}, {"bytes 5-9"}, {"bytes 5/10"},
		{"bytes -9/10"}, {"bytes 9-5/10"}, {"bytes 5-9/9"},
		{"bytes 5-9/-1"}, {"bytes -5-9/10"}, {"bytes 5-9/10/11"}, {"bytes=5-9/10"},
		{"bytes 5-99999999999999999999/*"}, {"items 5-9/10"}, {"bytes 0x5-9/10"},
	} {
		if first, last, total, ok := parseContentRange(in); ok {
			t.Errorf("%q is read as %d-%d/%d", in, first, last, total)
		}
	}
}

func FuzzParseContentRange(f *testing.F) {
	f.Add("bytes 5-9/10")
	f.Add("bytes 0-0/*")
	f.Fuzz(func(t *testing.T, in string) {
		first, last, total, ok := parseContentRange([]string{in})
		if ok && (first < 0 || last < first || total != -1 && total <= last) {
			t.Errorf("%q is read as %d-%d/%d", in, first, last, total)
		}
	})
}
