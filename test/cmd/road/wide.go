package main

const (
	title       = "The road of an image across an air gap"
	description = "drayage fetch brings images from a registry into a directory, an OCI layout. The directory " +
		"crosses the air gap, and drayage push sends the images into a private registry: image ID, digest and " +
		"referrers survive. drayage save writes a tar, from a registry or from the directory. An OCI tar keeps " +
		"image ID, digest and referrers; drayage push sends it into a registry, and docker load, podman load " +
		"and ctr images import take it. A docker tar keeps the image ID alone. drayage copy takes images from " +
		"registry to registry where one machine reaches both, and everything survives."
)

// wide is the picture for pages of 600 pixels and more.
func wide(c colours) []byte {
	d := newDrawing(1000, 556, c, title, description)
	d.add(`<rect class="gap" x="638" y="12" width="74" height="430" rx="6"/>`)
	d.text(675, 36, "name middle", "air gap")
	d.text(24, 36, "small", "connected side")
	d.text(790, 36, "small", "behind the gap")
	d.wideCopy()
	d.box(24, 108, 140, 76, "registry", "Docker Hub, ...")
	d.box(384, 108, 172, 76, "directory", "an OCI layout")
	d.box(384, 246, 172, 84, "OCI tar", "layers compressed")
	d.box(384, 366, 172, 76, "docker tar", "layers unpacked")
	d.box(790, 108, 186, 170, "private registry", "Harbor, Nexus, ...")
	d.box(790, 300, 186, 142, "engine", "docker load", "podman load", "ctr images import")
	d.arrow("line", "right", 164, 146, 383, 146)
	d.step(169, 136, "drayage fetch", everyone...)
	d.wideSave()
	d.wideGap()
	d.wideLegend()
	return d.done()
}

// step writes a command above a line at y+10, and below it what survives.
func (d *drawing) step(x, y int, command string, survivors ...survivor) {
	d.text(x, y, "command", command)
	d.tags(x, y+17, survivors...)
}

func (d *drawing) wideCopy() {
	d.arrow("line dashed", "down", 94, 107, 94, 62, 881, 62, 881, 107)
	d.text(172, 54, "command", "drayage copy")
	d.text(290, 54, "small", "where one machine reaches both registries")
	d.tags(172, 71, everyone...)
}

// wideSave draws save, which reads the registry or the directory.
func (d *drawing) wideSave() {
	d.line("line", 94, 184, 94, 214, 470, 214, 470, 184)
	d.line("line", 150, 214, 150, 404)
	d.arrow("line", "right", 149, 288, 383, 288)
	d.arrow("line", "right", 149, 404, 383, 404)
	d.text(162, 238, "command", "drayage save")
	d.step(162, 278, "--format oci", everyone...)
	d.step(162, 394, "--format docker", imageID)
}

func (d *drawing) wideGap() {
	d.arrow("line", "right", 556, 146, 789, 146)
	d.step(561, 136, "drayage push", everyone...)
	d.arrow("line", "right", 556, 258, 789, 258)
	d.step(561, 248, "drayage push", everyone...)
	d.arrow("line", "right", 556, 318, 789, 318)
	d.step(561, 308, "load", imageID, digests)
	d.arrow("line", "right", 556, 404, 789, 404)
	d.step(561, 394, "load, or drayage push", imageID)
}

func (d *drawing) wideLegend() {
	d.legend(24, 470, imageID, "the digest of the configuration")
	d.legend(24, 502, referrers, "signatures, SBOMs: with --referrers")
	d.legend(420, 470, digests, "of each manifest. With --platform all also that of the tag")
	d.legend(420, 502, survivor{"none", "digest", 56}, "does not survive")
	d.text(24, 544, "small", "Docker keeps the digests of what it loads in its containerd store, "+
		"but not in the store before that.")
}

// legend explains one tag.
func (d *drawing) legend(x, y int, s survivor, text string) {
	d.tag(x, y, s)
	d.text(x+84, y+15, "small", text)
}
