//go:build linux

package bench

import "context"

// Scenarios lists identifiers and titles.
func Scenarios() (all [][2]string) {
	for _, s := range scenarios() {
		all = append(all, [2]string{s.id, s.title})
	}
	return all
}

// scenarios are what is measured, in the order of the report.
func scenarios() []scenario {
	with := func(set string, f func(context.Context, *env, string) ([]contender, func(), error)) preparation {
		return func(ctx context.Context, e *env) ([]contender, func(), error) { return f(ctx, e, set) }
	}
	return append([]scenario{
		{id: "machine", title: "the machine itself", prepare: bareMachine},
		{id: "fetch-loopback", title: "registry to layout, loopback", prepare: fetchScenario("five", nil),
			targets: []target{fasterThanPeers(1), withinLimit(1.15)}},
		{id: "fetch-20MBs", title: "registry to layout, 20 MB/s for each request",
			prepare: fetchScenario("five", paced),
			targets: []target{fasterThanPeers(8)}},
		{id: "fetch-20MBs-nginx", title: "registry to layout, nginx with limit_rate 20 MB/s", prepare: fetchLimited,
			targets: []target{fasterThanPeers(8)}},
		{id: "fetch-latency-40-layers", title: "registry to layout, 100 ms for each request, forty small layers",
			prepare: fetchScenario("forty", farAway),
			targets: []target{fasterThanPeers(1)}},
		{id: "fetch-20-images", title: "registry to layout, twenty images that share a base",
			prepare: fetchScenario("twenty", nil),
			targets: []target{fasterThanPeers(1)}},
		{id: "registry-docker-tar", title: "registry to docker tar", prepare: with("five", registryToDockerTar),
			targets: []target{fasterThan("skopeo", "drayage", 2.3), fasterThanPeers(1), writtenOnce()}},
		{id: "layout-docker-tar", title: "layout to docker tar", prepare: layoutToDockerTar,
			targets: []target{fasterThan("skopeo", "drayage", 2), fasterThanPeers(1), withinLimit(1.15)}},
		{id: "registry-oci-tar", title: "registry to OCI tar", prepare: registryToOCITar,
			targets: []target{fasterThanPeers(1)}},
		{id: "push-docker-tar", title: "docker tar to registry", prepare: with("five", pushDockerTar),
			targets: []target{
				fasterThan("skopeo", "drayage", 1.8), notLarger("drayage", 1.04),
				fasterThan("skopeo", smaller, 1.25), notLarger(smaller, 1),
				fasterThan("skopeo", zstandard, 2), notLarger(zstandard, 1)}},
		{id: "push-oci-tar", title: "OCI tar to registry", prepare: pushOCITar,
			targets: []target{fasterThanPeers(1)}},
		{id: "push-again", title: "docker tar to the registry that has it", prepare: pushAgain,
			targets: []target{fasterThanPeers(1), littleSent(0.001), littleCPU("push-docker-tar", 0.25)}},
		{id: "push-shared-base", title: "docker tar to the registry that has its base", prepare: pushSharedBase,
			targets: []target{fasterThanPeers(1)}},
	}, append(manyScenarios(), memoryScenarios(with)...)...)
}

func memoryScenarios(with func(string, func(context.Context, *env, string) ([]contender, func(),
	error)) preparation) (all []scenario) {
	for _, size := range []string{"2GB", "10GB"} {
		for _, work := range []struct {
			id, title string
			prepare   preparation
		}{
			{"memory-fetch-", "memory, registry to layout, a layer of ", fetchScenario(size, nil)},
			{"memory-save-", "memory, registry to docker tar, a layer of ", with(size, registryToDockerTar)},
			{"memory-push-", "memory, docker tar to registry, a layer of ", with(size, pushDockerTar)},
		} {
			s := scenario{id: work.id + size, title: work.title + size, prepare: work.prepare, once: true,
				huge:    size == "10GB",
				targets: []target{memoryBelow(100)}}
			if s.huge {
				s.targets = append(s.targets, sameMemory(work.id+"2GB"))
			}
			all = append(all, s)
		}
	}
	return all
}
