//go:build linux

// Package pairs makes pairs of layers of real software, an old one and a new one, and measures how many bytes
// the new one takes where the old one is there: as a patch of drayage, and by what other programs do. Then it
// sends them through drayage save and push. [Run] does all of that. It needs Debian with apt, and root.
package pairs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// pair is a layer in two versions.
type pair struct {
	id, title string
	make      func(w *work) (old, new tree, err error)
	alike     bool // the figures of slow programs say no more than those of another pair
}

// all are the pairs, in the order of the table.
var all = []pair{
	{"base", "a Debian base made anew, with its security updates", (*work).base, false},
	{"same", "a Debian base made anew, with nothing new", (*work).baseAgain, true},
	{"apt", "`apt-get install curl python3`, on a base made anew", (*work).apt, false},
	{"aptnew", "the same with newer packages, on the updated base", (*work).aptUpdated, false},
	{"npm", "a `node_modules` that was installed again", (*work).npmAgain, true},
	{"bump", "the same with five packages bumped", (*work).npmBump, false},
	{"node", "node-red 4.0.2 and 4.0.3, with all they need", (*work).node, false},
	{"python", "Django, aiohttp, numpy and others, with their security updates", (*work).python, false},
	{"java", "allure 2.29.0 and 2.30.0, of 55 jars", (*work).java, false},
	{"go", "a Go program, 14 commits apart", (*work).program14, false},
	{"go74", "the same, 74 commits apart", (*work).program74, false},
	{"golang", "Go 1.26.6 and 1.26.7, as in `golang:`", (*work).golang, false},
	{"renamed", "the same, in another directory", (*work).renamed, true},
}

// work is where pairs are made. What an earlier run has made there stays.
type work struct {
	ctx  context.Context
	dir  string // of the work
	repo string // the repository of drayage
}

// tree is a directory that becomes a layer.
type tree struct {
	dir     string
	prefix  string            // of all names in the layer
	mtime   time.Time         // of all files, if it is not zero
	without map[string]string // what the layer below has: names, and what files are like
}

// once makes a directory, if it is not there whole.
func (w *work) once(name string, make func(dir string) error) (string, error) {
	dir := filepath.Join(w.dir, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return "", err
	}
	if err := os.MkdirAll(part, 0o755); err != nil {
		return "", err
	}
	if err := make(part); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return dir, os.Rename(part, dir)
}

// debian makes the tree of a Debian base. The key tells bases apart that are made of the same packages.
func (w *work) debian(key string, updated bool) (string, error) {
	return w.once("debian-"+key, func(dir string) error {
		mirror, err := w.output("", "sh", "-c",
			"apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -n 1")
		if err != nil {
			return err
		}
		if _, err := w.output("", "debootstrap", "--variant=minbase", "bookworm", dir, mirror); err != nil {
			return err
		}
		if updated {
			err = w.inside(dir, `echo "deb `+strings.Replace(mirror, "debian/", "debian-security/", 1)+
				` bookworm-security main" >> /etc/apt/sources.list`, "apt-get update", "apt-get -y upgrade")
		}
		if err != nil {
			return err
		}
		return w.inside(dir, "apt-get clean", "rm -rf /var/lib/apt/lists/* /var/log/*")
	})
}

// inside runs commands in a tree.
func (w *work) inside(dir string, lines ...string) error {
	const resolv = "etc/resolv.conf"
	raw, err := os.ReadFile("/" + resolv)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, resolv), raw, 0o644)
	}
	if err != nil {
		return err
	}
	script := "set -e; export DEBIAN_FRONTEND=noninteractive; " + strings.Join(lines, "; ")
	_, err = w.output("", "chroot", dir, "sh", "-c", script)
	return err
}

func (w *work) base() (old, new tree, err error)      { return w.bases("1", "updated", true) }
func (w *work) baseAgain() (old, new tree, err error) { return w.bases("1", "2", false) }

func (w *work) bases(a, b string, updated bool) (old, new tree, err error) {
	if old.dir, err = w.debian(a, false); err == nil {
		new.dir, err = w.debian(b, updated)
	}
	return old, new, err
}

func (w *work) apt() (old, new tree, err error)        { return w.installed(w.baseAgain()) }
func (w *work) aptUpdated() (old, new tree, err error) { return w.installed(w.base()) }

// installed is the layer of an installation on either base.
func (w *work) installed(from, to tree, err error) (old, new tree, _ error) {
	if err != nil {
		return old, new, err
	}
	for i, t := range []*tree{&old, &new} {
		below := []tree{from, to}[i]
		t.dir, err = w.once("apt-"+filepath.Base(below.dir), func(dir string) error {
			if _, err := w.output("", "cp", "-a", below.dir+"/.", dir); err != nil {
				return err
			}
			return w.inside(dir, "apt-get update", "apt-get install -y --no-install-recommends curl python3",
				"apt-get clean", "rm -rf /var/lib/apt/lists/* /var/log/*")
		})
		if err == nil {
			t.without, err = look(below.dir)
		}
		if err != nil {
			return old, new, err
		}
	}
	return old, new, nil
}

// modules are packages of npm, and those in newer versions that five of them have later.
var (
	modules = []string{"express@4.18.2", "react@18.2.0", "react-dom@18.2.0", "webpack@5.88.2",
		"typescript@5.1.6", "lodash@4.17.20", "axios@1.4.0", "eslint@8.45.0"}
	bumped = []string{"express@4.19.2", "react@18.2.0", "react-dom@18.2.0", "webpack@5.91.0",
		"typescript@5.4.5", "lodash@4.17.20", "axios@1.6.8", "eslint@8.57.0"}
)

func (w *work) npm(name string, packages ...string) (tree, error) {
	dir, err := w.once(name, func(dir string) error {
		_, err := w.output(dir, "npm", append([]string{"install", "--no-audit", "--no-fund"}, packages...)...)
		return err
	})
	return tree{dir: dir, prefix: "app/"}, err
}

func (w *work) npmAgain() (old, new tree, err error) {
	if old, err = w.npm("npm-1", modules...); err == nil {
		new, err = w.npm("npm-2", modules...)
	}
	return old, new, err
}

func (w *work) npmBump() (old, new tree, err error) {
	if old, err = w.npm("npm-1", modules...); err == nil {
		new, err = w.npm("npm-bumped", bumped...)
	}
	return old, new, err
}

func (w *work) node() (old, new tree, err error) {
	if old, err = w.npm("node-1", "node-red@4.0.2"); err == nil {
		new, err = w.npm("node-2", "node-red@4.0.3")
	}
	return old, new, err
}

func (w *work) java() (old, new tree, err error) {
	if old, err = w.npm("java-1", "allure-commandline@2.29.0"); err == nil {
		new, err = w.npm("java-2", "allure-commandline@2.30.0")
	}
	return old, new, err
}

// libraries are packages of Debian whose Python code is the layer of an application. Some of them have newer
// versions among the security updates.
const libraries = "python3-django python3-aiohttp python3-lxml python3-cryptography python3-twisted " +
	"python3-sqlalchemy python3-numpy python3-tornado python3-jinja2 python3-requests"

// python is an application's libraries as the release has them, and with its updates.
func (w *work) python() (old, new tree, err error) {
	for i, t := range []*tree{&old, &new} {
		t.dir, err = w.once(fmt.Sprint("python-", i+1), func(dir string) error {
			_, err := w.output(dir, "sh", "-ec", `
				mkdir .debs; cd .debs
				for p in `+libraries+`; do
					v=$(apt-cache madison $p | grep Packages | cut -d '|' -f 2 | `+[]string{"tail", "head"}[i]+` -n 1)
					apt-get -q download $p=$(echo $v)
				done
				for p in *.deb; do dpkg-deb -x $p ..; done
				cd ..; rm -r .debs
				/usr/bin/python3 -m compileall -q usr/lib/python3`)
			return err
		})
		if err != nil {
			return old, new, err
		}
	}
	return old, new, nil
}
