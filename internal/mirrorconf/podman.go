package mirrorconf

import "fmt"

const (
	podmanFile  = "900-drayage.conf" // later files count
	podmanConf  = "/etc/containers/registries.conf.d/"
	podmanUser  = "~/.config/containers/registries.conf.d/"
	podmanCerts = "/etc/containers/certs.d/"
)

// podman writes a part of registries.conf
// (https://github.com/containers/container-libs/blob/main/image/docs/containers-registries.conf.5.md).
func (p *Plan) podman(made *Part, dir string) {
	rules := p.rules()
	if len(rules) == 0 {
		return
	}
	text := header("Old names are pulled from "+p.Mirror.Host+".",
		"It goes to "+podmanConf+" (without root: "+podmanUser+").",
		"Short names, as in podman pull alpine, need this line here or in registries.conf:",
		`unqualified-search-registries = ["docker.io"]`)
	for _, r := range rules {
		text += "\n[[registry]]\nprefix = " + quoted(r.from) + "\n"
		if p.Mirror.Fallback {
			text += "location = " + quoted(r.from) + "\n\n[[registry.mirror]]\n"
		}
		text += "location = " + quoted(r.to) + "\n"
		if p.Mirror.PlainHTTP || p.Mirror.SkipVerify {
			text += "insecure = true\n"
		}
	}
	made.add("podman/"+podmanFile, podmanConf+podmanFile, text)
	made.step("sudo mkdir -p %s && sudo cp %s/podman/%s %[1]s (without root: %[4]s)",
		podmanConf, dir, podmanFile, podmanUser)
	if ca := p.Mirror.ca(); ca != "" {
		goes := podmanCerts + p.Mirror.Host + "/ca.crt"
		made.add("podman/ca.crt", goes, ca)
		made.step("%s", install(dir+"/podman/ca.crt", goes))
	}
	made.step("podman, buildah and skopeo read it at each pull, CRI-O after systemctl reload crio")
}

// install copies a file into a folder that may not be there yet.
func install(file, goes string) string {
	return fmt.Sprintf("sudo install -D -m 644 %s %s", file, goes)
}
