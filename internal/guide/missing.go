package guide

// NoTag says that a repository has no such tag, or no such digest if that is not empty, and what it has.
func NoTag(repository, tag, digest string, tags []string) string {
	if digest != "" {
		return "no manifest with this digest in " + repository + ": drayage ls " + repository + " lists its tags"
	}
	text := "no tag " + tag + " in " + repository
	if near := NearestFew(tag, tags, 3); len(near) > 0 {
		return text + ": the nearest is " + Or(near...) + ", and drayage ls " + repository + " lists all"
	}
	return text + ": drayage ls " + repository + " lists its tags"
}

// NoRepository says that a registry has no such repository, and how to see those that it has.
func NoRepository(repository, registry string) string {
	return "no repository " + repository + ", or nothing in it: drayage ls " + registry +
		"/ lists the repositories, if the registry does that"
}
