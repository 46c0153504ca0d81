# Needs Go, make and git; make race also gcc.

FUZZTIME ?= 30s
BENCH    ?= .
CPUS     ?= $(shell getconf _NPROCESSORS_ONLN)
RUN      := ./...

.DEFAULT_GOAL := help
.PHONY: help build servers test race lint fuzz bench demo prior clean

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/foretide, static
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/foretide

servers: ## build the servers that tests start, once: Prometheus and an S3 server
	@go test -timeout 60m ./forecast/prom/promtest ./forecast/registry/s3test

test: servers ## run the tests
	go test -timeout 20m $(RUN)

race: servers ## run the tests under the race detector
	CGO_ENABLED=1 go test -race -timeout 40m $(RUN)

lint: ## check format and code: gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "gofmt -w would change:" $$unformatted >&2; exit 1; fi
	go vet $(RUN)
	go tool -modfile=.ci/lint/go.mod staticcheck $(RUN)

fuzz: ## run every fuzz target for FUZZTIME (30s) each
	@set -e; packages=$$(go list -f '{{.ImportPath}} {{.Dir}}' $(RUN)); \
	echo "$$packages" | while read -r pkg dir; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$dir"/*_test.go 2>/dev/null); do \
			echo "fuzz $$target of $$pkg"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$pkg" </dev/null; \
		done; \
	done

# A sub-benchmark that compares two ways on the same machine reports the metric
# "ratio", one that is held against a bar "core-seconds": unlike nanoseconds,
# the first can be held against another machine's. The peers of the network are
# forecast/lstm/bench's; one that is not installed is skipped, and says how.
bench: ## run the benchmarks matching BENCH (all); comparisons as BENCH name value
	@go test -run '^$$' -bench '$(BENCH)' -benchmem -cpu $(CPUS) -timeout 30m $(RUN) | awk -v cpus=$(CPUS) ' \
		/no test files/ || /^PASS$$/ || /^ok / { next } \
		/^BENCH / { comparisons = comparisons $$0 "\n"; next } \
		{ print } \
		/^Benchmark/ { name = $$1; sub(/^Benchmark([^\/]*\/)?/, "", name); if (cpus > 1) sub("-" cpus "$$", "", name); \
			for (i = 3; i <= NF; i++) if ($$i == "ratio" || $$i == "core-seconds") \
				comparisons = comparisons "BENCH " name " " $$(i-1) ($$i == "ratio" ? "" : " " $$i) "\n" } \
		/^(FAIL|panic:)/ { failed = 1 } \
		END { printf "%s", comparisons; exit failed }'

demo: build ## a shop's mesh on a fast clock, with the page; FOR=60s ends it by itself
	bin/foretide demo $(if $(FOR),--for $(FOR))

# TRACES is a folder of the public sets that NOTICE names, one folder each. It
# takes some minutes, and gives the same weights for the same traces on the same
# kind of processor.
prior: ## fit the network that the binary brings, from TRACES=DIR and generated traffic
	@test -n "$(TRACES)" || { echo "make prior: want TRACES=DIR, a folder of the public traces that NOTICE names" >&2; exit 1; }
	go run ./cmd/makeprior --traces "$(TRACES)"

clean: ## remove what was built
	rm -rf bin
