package dockerauth

import "strings"

const (
	// hub is Docker Hub in the names of images.
	hub = "docker.io"
	// hubKey is Docker Hub in docker's files and to credential helpers.
	hubKey = "https://index.docker.io/v1/"
)

// serverKey is how docker names a registry in its files and to helpers.
func serverKey(registry string) string {
	if normalize(registry) == hub {
		return hubKey
	}
	return registry
}

// normalize makes the ways to write a key comparable: with a scheme and a path of the API, as old clients did, and the
// several names of Docker Hub. Any other path stays: in podman's files it is a part of the repository's.
func normalize(key string) string {
	if _, address, isURL := strings.Cut(key, "://"); isURL {
		key, _, _ = strings.Cut(address, "/")
	}
	for _, end := range []string{"/v1/", "/v2/", "/"} {
		key = strings.TrimSuffix(key, end)
	}
	name, path, hasPath := strings.Cut(key, "/")
	switch name = strings.ToLower(name); name {
	case "index.docker.io", "registry-1.docker.io":
		name = hub
	}
	if hasPath {
		return name + "/" + path
	}
	return name
}

// candidates are the names, in the form of normalize, under which there may be something for a repository:
// HOST/NAMESPACE/IMAGE, HOST/NAMESPACE, HOST.
func candidates(registry, repository string) []string {
	registry = normalize(registry)
	var all []string
	for path := repository; path != ""; {
		all = append(all, registry+"/"+path)
		i := strings.LastIndex(path, "/")
		path = path[:max(i, 0)]
	}
	return append(all, registry)
}
