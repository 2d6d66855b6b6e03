package mirrorconf

import (
	"regexp"
	"strings"
)

// openshift writes an ImageDigestMirrorSet and an ImageTagMirrorSet, which OpenShift has since 4.13
// (https://github.com/openshift/api/blob/master/config/v1/types_image_tag_mirror_set.go).
func (p *Plan) openshift(made *Part, dir string) {
	var rules []rule
	for _, r := range p.rules() {
		if openshiftName.MatchString(r.from) && openshiftName.MatchString(r.to) {
			rules = append(rules, r)
		} else {
			made.limit("OpenShift takes no mirror %s of %s: it wants names of hosts and no IPv6 address", r.to, r.from)
		}
	}
	if len(rules) == 0 {
		return
	}
	text := header("Old names are pulled from "+p.Mirror.Host+".",
		"oc apply -f FILE takes it, on OpenShift 4.13 and later.",
		"Each node is changed after the other, which takes a while.") +
		p.mirrorSet("Digest", rules) + "---\n" + p.mirrorSet("Tag", rules)
	made.add("openshift/mirrors.yaml", "the cluster", text)
	if ca := p.Mirror.ca(); ca != "" {
		made.add("openshift/registry-ca.yaml", "the cluster", p.configMap(ca))
		made.step("oc apply -f %s/openshift/registry-ca.yaml", dir)
		made.step("oc patch image.config.openshift.io/cluster --type merge -p " +
			`'{"spec":{"additionalTrustedCA":{"name":"drayage-registry-ca"}}}' ` +
			"(if it names another ConfigMap, add the certificate to that one instead)")
	}
	if p.Mirror.PlainHTTP || p.Mirror.skips() {
		made.step("add %s to spec.registrySources.insecureRegistries of image.config.openshift.io/cluster",
			p.Mirror.Host)
	}
	made.step("oc apply -f %s/openshift/mirrors.yaml (nodes take it up one after the other; "+
		"oc get machineconfigpool shows when)", dir)
}

// openshiftName is what the API takes as a source and as a mirror.
var openshiftName = regexp.MustCompile(`^([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])` +
	`(\.([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(:[0-9]+)?` +
	`(/[a-z0-9]+(([._]|__|-*)[a-z0-9]+)*)*$`)

// mirrorSet is the object for pulls by digest or by tag.
func (p *Plan) mirrorSet(by string, rules []rule) string {
	policy := "NeverContactSource"
	if p.Mirror.Fallback {
		policy = "AllowContactingSource"
	}
	text := "apiVersion: config.openshift.io/v1\nkind: Image" + by + "MirrorSet\nmetadata:\n  name: drayage\n" +
		"spec:\n  image" + by + "Mirrors:\n"
	for _, r := range rules {
		text += "  - source: " + quoted(r.from) + "\n    mirrors:\n    - " + quoted(r.to) + "\n" +
			"    mirrorSourcePolicy: " + policy + "\n"
	}
	return text
}

// configMap holds the certificates. Its keys have two dots before a port.
func (p *Plan) configMap(ca string) string {
	text := header("It holds the certificates that "+p.Mirror.Host+" is checked against.", "oc apply -f FILE "+
		"takes it; then image.config.openshift.io/cluster has to name it as additionalTrustedCA.")
	text += "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: drayage-registry-ca\n" +
		"  namespace: openshift-config\ndata:\n  " + quoted(strings.Replace(p.Mirror.Host, ":", "..", 1)) + ": |\n"
	for line := range strings.Lines(ca) {
		text += "    " + line
	}
	return text
}
