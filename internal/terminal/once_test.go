package terminal

import "testing"

func TestOnce(t *testing.T) {
	for text, want := range map[string]string{
		"push ./x.tar: ./x.tar: permission denied":  "push ./x.tar: permission denied",
		"./x.tar: ./x.tar: permission denied":       "./x.tar: permission denied",
		"./x.tar: ./x.tar: ./x.tar: denied":         "./x.tar: denied",
		"save dir: dir is no layout: it is empty":   "save dir: it is no layout: it is empty",
		"save dir: directory dir is no layout":      "save dir: directory dir is no layout",
		"digest l:1/a:1: l:1/a:1: cannot talk":      "digest l:1/a:1: cannot talk",
		"fetch a: GET http://b/v2/a: 404 Not Found": "fetch a: GET http://b/v2/a: 404 Not Found",
		"x: file does not exist":                    "x: file does not exist",
		"verify im: image im has 2 layers":          "verify im: image im has 2 layers",
		"push dir: dir has nothing":                 "push dir: it has nothing",
		"ls r:5: r:5 wants a user name":             "ls r:5: it wants a user name",
		"a: ab is no layout":                        "a: ab is no layout",
		"":                                          "", ": ": ": ", "a": "a", "a: a": "a",
		"x : y": "x : y", "a:  : b": "a:  : b",
	} {
		if got := Once(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
