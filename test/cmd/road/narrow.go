package main

// narrow is the picture for phones: one road below the other.
func narrow(c colours) []byte {
	d := newDrawing(390, 1008, c, title, description)
	y := d.road(16, place{"registry", "Docker Hub, ghcr.io, ..."}, leg{"drayage fetch", everyone},
		place{"directory", "an OCI layout"}, leg{"drayage push", everyone},
		place{"private registry", "Harbor, Nexus, ..."})
	y = d.road(y, place{"registry or directory", ""}, leg{"drayage save --format oci", everyone},
		place{"OCI tar", "layers compressed"}, leg{"push, load (no referrers)", everyone},
		place{"registry or engine", "docker, podman, ctr"})
	y = d.road(y, place{"registry or directory", ""}, leg{"drayage save", []survivor{imageID}},
		place{"docker tar", "layers unpacked"}, leg{"load, or drayage push", []survivor{imageID}},
		place{"engine or registry", "docker, podman, ctr"})
	d.legend(16, y, imageID, "digest of the configuration")
	d.legend(16, y+28, digests, "of each manifest")
	d.text(100, y+61, "small", "With --platform all also that of the tag")
	d.legend(16, y+74, referrers, "signatures, SBOMs: with --referrers")
	d.legend(16, y+102, survivor{"none", "digest", 56}, "does not survive")
	d.text(16, y+141, "small", "Docker keeps digests only in its containerd store.")
	return d.done()
}

// place is where images are, with a word about it.
type place struct{ name, about string }

// leg is the way between two places: the command, and what survives.
type leg struct {
	command   string
	survivors []survivor
}

// road draws from, between and to, one below the other, with the gap before the last. It returns where the
// next road begins.
func (d *drawing) road(y int, from place, first leg, between place, second leg, to place) int {
	y = d.stop(y, from)
	d.leg(y, first)
	y = d.stop(y+66, between)
	d.add(`<rect class="gap" x="8" y="%d" width="374" height="58" rx="6"/>`, y+4)
	d.text(346, y+52, "small middle", "air gap")
	d.leg(y, second)
	return d.stop(y+66, to) + 28
}

func (d *drawing) stop(y int, p place) int {
	d.add(`<rect class="box" x="16" y="%d" width="358" height="38" rx="8"/>`, y)
	d.text(30, y+24, "name", p.name)
	d.add(`<text x="360" y="%d" class="small" text-anchor="end">%s</text>`, y+24, escaped(p.about))
	return y + 38
}

func (d *drawing) leg(y int, l leg) {
	d.arrow("line", "down", 44, y, 44, y+65)
	d.step(62, y+23, l.command, l.survivors...)
}
