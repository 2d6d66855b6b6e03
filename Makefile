# make build | demo | test | recording | faults | fuzz | hostile | interop | bench | lint | cross | site: see
# CONTRIBUTING.md. All but interop need only Go, make and git. make release, install: docs/releasing.md.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null)
DATE := $(shell git log -1 --format=%cI 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build demo recording test faults fuzz interop libraries bench flat scale crossing crossing-pairs lint vuln \
	cross site clean reliability soak hostile peers release release-test install uninstall module-path

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/drayage ./cmd/drayage

demo: build
	cd test && go run ./cmd/demo -drayage ../bin/drayage

# A real run in a terminal, as docs/pictures/recording.svg and docs/recording.md.
recording: build
	cd test && go run ./cmd/recording -drayage ../bin/drayage

# The tests of the nested module run this binary instead of building one each. Go does not see that they depend on
# it, so -count=1 keeps it from showing earlier results.
BINARY := DRAYAGE_BIN=$(CURDIR)/bin/drayage

# Unit tests and scripts of the command line, then the round trip through a real registry, and programs of a module
# outside. TEST_ARGS=-race looks for data races in the product, and takes longer. The models of encoders compute
# much and have nothing at the same time, so they are tested without it.
test: build
	go test $(TEST_ARGS) $$(go list ./... | grep -v /internal/deflate/)
	go test $$(go list ./internal/deflate/... | grep /internal/deflate/)
	cd test && $(BINARY) go test -count=1 $$(go list ./... | grep -Ev '/(interop|reliability|hostile|crash|volumes)$$')
	cd test/outside && go test -count=1 ./...
	cd site && go test -count=1 ./...

# Every fault, kill and hostile input of docs/reliability.md, tried on the binary: some minutes. The first package
# mostly waits, so another one runs beside it. FAULTS_SKIP matches tests to leave out.
faults: build
	cd test && $(BINARY) go test -count=1 -timeout 20m -p 2 -skip '$(FAULTS_SKIP)' ./reliability ./hostile ./crash ./volumes

# Sixty kinds of fault against the binary; enters the results and writes docs/reliability.md.
reliability:
	cd test && go test -count=1 -timeout 20m ./reliability -update

# Every fuzz target for FUZZTIME. To enter the figures into docs/reliability.md:
# make fuzz FUZZ_ARGS='-results reliability/testdata' && cd test && go test ./reliability -run Document -update
FUZZTIME := 30s
fuzz:
	cd test && go run ./cmd/fuzz -time $(FUZZTIME) $(FUZZ_ARGS)

# Long runs of what the tests above do briefly; enters its figures too.
soak:
	cd test && DRAYAGE_SOAK=$${DRAYAGE_SOAK:-500} go test -count=1 -timeout 2h ./reliability -run TestSoak -update
	cd test && go test -count=1 -timeout 4h ./crash -soak -update
	cd test && go test -count=1 ./reliability -run Document -update

# Archives that attack the reader: drayage with its peak memory, and beside it the engines and skopeo. Enters the
# results for docs/reliability.md.
hostile:
	cd test && go test -count=1 -timeout 10m ./hostile -update
	cd test && DRAYAGE_HOSTILE=1 go test -count=1 -timeout 40m -parallel 6 ./interop -run HostileArchives -update
	cd test && go test -count=1 ./reliability -run Document -update

# Volumes that are hurt on their way, and what drayage, par2, split with sha256sum, hauler and zarf make of
# them, as far as they are in PATH or in DRAYAGE_BENCH_PEERS. Enters the table for docs/reliability.md.
peers: build
	cd test && $(BINARY) DRAYAGE_PEERS=1 go test -count=1 -timeout 20m ./volumes -run Peers -update
	cd test && go test -count=1 ./reliability -run Document -update

# Docker, podman, containerd, skopeo and others, as far as they are installed; DRAYAGE_INTEROP=require makes a missing
# one a failure. Then what needs root or these tools elsewhere, and memory with layers of DRAYAGE_BIG_BYTES.
interop: build
	cd test && $(BINARY) go test -count=1 -timeout 40m -v ./interop
	cd test && $(BINARY) go test -count=1 -timeout 40m -v ./roundtrip -run PeakMemory
	cd test && $(BINARY) go test -count=1 -timeout 10m -v ./crash -run 'Full|Together'

# What the code of other programs makes of what drayage reads and writes: an S3 store behind a registry,
# Kubernetes, docker compose, containerd and k3s. Each is a module of its own, because they take minutes to build the first time.
libraries: build
	cd test/scale && $(BINARY) go test -count=1 ./...
	cd test/compose && go test -count=1 ./...
	cd test/engines && go test -count=1 ./...

# drayage beside the tools that do the same work and are here, on Linux: BENCH_ARGS='-run fetch -n 1', or -help for
# more.
bench: build
	cd test && go build -o ../bin/bench ./cmd/bench && cd .. && bin/bench -drayage bin/drayage $(BENCH_ARGS)

# What each command costs for each of 100, 1,000 and 10,000 images, and its memory: the table in
# docs/performance.md.
# FLAT_ARGS='-shape plain -run push', or -help for more.
flat: build
	cd test && go build -o ../bin/flat ./cmd/flat && cd .. && bin/flat -drayage bin/drayage $(FLAT_ARGS)

# One registry before an S3 store, filled by 1, 2, 4 and 8 processes: the tables in docs/scale.md.
# SCALE_ARGS='-latency 50ms -jobs 2', or -help for more.
scale: build
	cd test/scale && go run ./cmd/scale -drayage ../../bin/drayage $(SCALE_ARGS)

# What crosses for five updates of real images, as the table in docs/crossing.md. It needs Debian with apt.
crossing: build
	cd test && go build -o ../bin/bench ./cmd/bench && cd .. && \
		bin/bench -drayage bin/drayage -run '^cross-' -crossing docs/crossing.md $(BENCH_ARGS)

# What a changed layer of real software costs as a patch, beside other programs: the tables in
# docs/crossing.md.
# It needs Debian with apt, root, debootstrap, npm, zstd, xdelta3 and bsdiff. PAIRS_ARGS='-run ^go', or -help.
crossing-pairs: build
	cd test && go build -o ../bin/pairs ./cmd/pairs && cd .. && \
		bin/pairs -drayage bin/drayage -page docs/crossing.md $(PAIRS_ARGS)

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }
	GOOS=windows go vet ./... && GOOS=darwin go vet ./...
	@set -e; for module in . test test/outside test/scale test/compose test/engines site release; do \
		echo "$$module: go vet, staticcheck, go mod tidy"; \
		(cd $$module && go vet ./... && go run $(STATICCHECK) ./... && go mod tidy -diff); \
	done

# The pages as HTML, in dist/site: open dist/site/index.html, also without a network. It fails if a link leads
# nowhere.
site:
	cd site && go run . -o ../dist/site -version '$(VERSION)'

vuln:
	.ci/vuln

cross:
	@set -e; for p in $(PLATFORMS); do \
		out=bin/drayage-$${p%/*}-$${p#*/}; case $$p in windows/*) out=$$out.exe;; esac; \
		echo "$$p -> $$out"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -trimpath -ldflags '$(LDFLAGS)' -o $$out ./cmd/drayage; \
	done

# All files of a release, in dist/VERSION: see docs/releasing.md. RELEASE_ARGS='-platforms linux_amd64' makes a part.
RELEASE_URL := https://example.com/drayage
RELEASE_IMAGE := localhost/drayage
release:
	cd release && go run ./cmd/release -version '$(VERSION)' -url '$(RELEASE_URL)' -image '$(RELEASE_IMAGE)' \
		$(RELEASE_ARGS)

# What makes releases, tested on a release for two platforms.
release-test:
	cd release && go test -count=1 -timeout 20m ./...

# The path of the modules, once the project has a home: make module-path MODULE=example.org/someone/drayage
module-path:
	cd release && go run ./cmd/module-path '$(MODULE)'

# Installs what make build has built: root needs neither Go nor git for that. DESTDIR is for makers of packages.
PREFIX := /usr/local
TO := $(DESTDIR)$(PREFIX)
COMPLETION := share/bash-completion/completions share/zsh/site-functions share/fish/vendor_completions.d
bin/drayage:
	$(MAKE) build
install: bin/drayage
	umask 022; for d in bin share/man/man1 $(COMPLETION); do mkdir -p '$(TO)'/$$d || exit; done
	install -m 755 bin/drayage '$(TO)/bin/drayage'
	umask 022; bin/drayage man -o '$(TO)/share/man/man1'
	umask 022; bin/drayage completion bash >'$(TO)/share/bash-completion/completions/drayage'
	umask 022; bin/drayage completion zsh >'$(TO)/share/zsh/site-functions/_drayage'
	umask 022; bin/drayage completion fish >'$(TO)/share/fish/vendor_completions.d/drayage.fish'

uninstall:
	rm -f '$(TO)/bin/drayage' '$(TO)'/share/man/man1/drayage.1 '$(TO)'/share/man/man1/drayage-*.1
	cd '$(TO)' && rm -f share/bash-completion/completions/drayage share/zsh/site-functions/_drayage \
		share/fish/vendor_completions.d/drayage.fish

clean:
	rm -rf bin dist
