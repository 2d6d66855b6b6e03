//go:build linux

package bench

import (
	"context"
	"slices"
)

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
		{id: "fetch-loopback", title: "registry to layout, loopback",
			prepare: readScenario("five", direct, fetchers),
			targets: []target{fasterThanPeers(1), withinLimit(1.15)}},
		{id: "fetch-20MBs", title: "registry to layout, 20 MB/s for each request",
			prepare: readScenario("five", paced, fetchers),
			targets: []target{fasterThanPeers(8)}},
		{id: "fetch-20MBs-nginx", title: "registry to layout, nginx with limit_rate 20 MB/s", prepare: fetchLimited,
			targets: []target{fasterThanPeers(8)}},
		{id: "fetch-20m-distribution2",
			title:   "registry to layout, nginx with limit_rate 20m before distribution 2",
			prepare: readScenario("304MB", limitedOld, fetchers),
			targets: []target{fasterThanPeers(8)}},
		{id: "save-20m-distribution2",
			title:   "registry to OCI tar, nginx with limit_rate 20m before distribution 2",
			prepare: readScenario("304MB", limitedOld, ociTarSavers),
			targets: []target{fasterThanPeers(8)}},
		{id: "fetch-latency-40-layers", title: "registry to layout, 100 ms for each request, forty small layers",
			prepare: readScenario("forty", farAway, fetchers),
			targets: []target{fasterThanPeers(1)}},
		{id: "fetch-20-images", title: "registry to layout, twenty images that share a base",
			prepare: readScenario("twenty", direct, fetchers),
			targets: []target{fasterThanPeers(1)}},
		{id: "registry-docker-tar", title: "registry to docker tar",
			prepare: readScenario("five", direct, dockerTarSavers),
			targets: []target{fasterThan("skopeo", "drayage", 2.3), fasterThanPeers(1), writtenOnce()}},
		{id: "layout-docker-tar", title: "layout to docker tar", prepare: layoutToDockerTar,
			targets: []target{fasterThan("skopeo", "drayage", 2), fasterThanPeers(1), withinLimit(1.15)}},
		{id: "registry-oci-tar", title: "registry to OCI tar", prepare: readScenario("five", direct, ociTarSavers),
			targets: []target{fasterThanPeers(1)}},
	}, slices.Concat(pushScenarios(with), crossScenarios(), copyScenarios(), lateScenarios(), manyScenarios(),
		volumeScenarios(), servingScenarios(),
		memoryScenarios(with))...)
}

// pushScenarios bring archives into registries.
func pushScenarios(
	with func(set string, f func(context.Context, *env, string) ([]contender, func(), error)) preparation,
) []scenario {
	return []scenario{
		{id: "push-docker-tar", title: "docker tar to registry", prepare: with("five", pushDockerTar),
			targets: []target{
				fasterThan("skopeo", "drayage", 1.8), notLarger("drayage", 1.04),
				fasterThan("skopeo", smaller, 1.25), notLarger(smaller, 1),
				fasterThan("skopeo", zstandard, 2), notLarger(zstandard, 1)}},
		{id: "push-oci-tar", title: "OCI tar to registry", prepare: pushOCITar,
			targets: []target{fasterThanPeers(1)}},
		{id: "push-again", title: "docker tar to the registry that has it", prepare: pushAgain,
			targets: []target{fasterThanPeers(1), littleSent(0.001), littleCPU("push-docker-tar", 0.25)}},
		{id: "push-rebuilt", title: "docker tar to the registry that has its base from elsewhere, empty caches",
			prepare: pushRebuilt,
			targets: []target{fasterThan("skopeo", "drayage", 2), fasterThanPeers(2), littleSent(0.06)}},
		{id: "push-shared-base", title: "docker tar to the registry that has its base", prepare: pushSharedBase,
			targets: []target{fasterThanPeers(1)}},
	}
}

// lateScenarios are registries that begin each answer late: an object store behind them, or a hash of the
// whole blob.
func lateScenarios() (all []scenario) {
	for _, late := range []struct{ how, title string }{
		{"0ms", "each blob begins at once"},
		{"50ms", "each blob begins after 50 ms"},
		{"200ms", "each blob begins after 200 ms"},
		{"500ms", "each blob begins after 500 ms"},
		{hashFirst, "each blob is hashed before each GET"},
	} {
		for _, work := range []struct {
			id, title string
			readers   func(context.Context, *env, *dataset, string) []contender
		}{
			{"fetch", "registry to layout", fetchers},
			{"save-docker", "registry to docker tar", dockerTarSavers},
			{"save-oci", "registry to OCI tar", ociTarSavers},
		} {
			all = append(all, scenario{id: "late-" + late.how + "-" + work.id, title: work.title + ", " + late.title,
				prepare: readScenario("heavy", beginsAfter(late.how), work.readers),
				targets: []target{fasterThanPeers(1), fewGets(4)}})
		}
	}
	return all
}

func memoryScenarios(with func(string, func(context.Context, *env, string) ([]contender, func(),
	error)) preparation) (all []scenario) {
	for _, size := range []string{"2GB", "10GB"} {
		for _, work := range []struct {
			id, title string
			prepare   preparation
		}{
			{"memory-fetch-", "memory, registry to layout, a layer of ", readScenario(size, direct, fetchers)},
			{"memory-save-", "memory, registry to docker tar, a layer of ",
				readScenario(size, direct, dockerTarSavers)},
			{"memory-push-", "memory, docker tar to registry, a layer of ", with(size, pushDockerTar)},
			{"memory-copy-", "memory, registry to registry, a layer of ", readScenario(size, direct, copiers)},
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
