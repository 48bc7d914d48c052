# Trunkline: what can be done here. `make help` lists it.
GO         ?= go
STATICCHECK = v0.8.2
NFPM        = v2.43.4
SYSTEMS     = linux freebsd darwin
FUZZTIME   ?= 10s
BENCHTIME  ?= 1s
COUNT      ?= 1
KILLS      ?= 1000
BIN         = bin/trunkline
CHAT        = bin/trunkline-chat
ARCH       ?= amd64

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help build chat run test crash soak check fmt vet staticcheck house shellcheck race fuzz bench bench-figures bench-memory bench-storm bench-durable bench-group bench-mix-stalled bench-peers cover freebsd freebsd-pkg deb freebsd-run clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/trunkline
	$(GO) build -trimpath -o $(BIN) ./cmd/trunkline

chat: ## build bin/trunkline-chat, the full-screen client (module client/chat)
	cd client/chat && $(GO) build -trimpath -o ../../$(CHAT) .

run: build ## build and start a server with embedded defaults (Ctrl-C drains it)
	@exec $(BIN) serve

test: ## run all tests
	$(GO) test -count=1 ./...
	cd client/chat && $(GO) test -count=1 ./...
	cd bench/peers && $(GO) test -count=1 ./...

crash: ## kill servers on failing disks while clients talk, a minute of it (SEED=n repeats a run)
	$(GO) test -count=1 -v -run 'Killed|ADiskThat|AnOfflineStoreThat|AJournalThatHangs|ACleanStop|TheJudge|AReport' ./server
	$(GO) test -count=1 ./internal/faultfs

soak: ## the same with KILLS (1000) kills, after 80,000 fresh schedules of the model and 2,000 of the simulation; prints seeds and a summary
	$(GO) test -count=20 -timeout 0 -run NothingIsViolated ./internal/model
	$(GO) test -count=2000 -timeout 0 -run PowerCutsFresh ./shard
	KILLS=$(KILLS) $(GO) test -count=1 -v -timeout 0 -run '^TestSoak$$' ./server

check: fmt vet staticcheck house shellcheck ## formatting, vet on three systems, staticcheck, import table, docs and lengths, shell scripts

fmt:
	@bad="$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go'))"; \
	 if [ -n "$$bad" ]; then echo "gofmt wants to change:"; echo "$$bad"; exit 1; fi

vet:
	@for os in $(SYSTEMS); do echo "go vet ($$os)"; GOOS=$$os $(GO) vet ./... || exit 1; done
	@echo "go vet (tag invariants)"; $(GO) vet -tags invariants ./...
	@cd bench/peers && echo "go vet (bench/peers)" && $(GO) vet ./...
	@cd client/chat && for os in $(SYSTEMS); do echo "go vet (client/chat, $$os)"; GOOS=$$os $(GO) vet ./... || exit 1; done

staticcheck: out/bin/staticcheck-$(STATICCHECK)
	@for os in $(SYSTEMS); do echo "staticcheck ($$os)"; GOOS=$$os $< ./... || exit 1; done

out/bin/staticcheck-$(STATICCHECK):
	@mkdir -p out/bin
	GOBIN=$(CURDIR)/out/bin GOFLAGS= $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK)
	@mv out/bin/staticcheck $@

shellcheck: ## shell scripts, where shellcheck is installed (TRUNKLINE_SHELLCHECK_REQUIRED=1: it must be)
	@sh internal/house/shellcheck.sh || { status=$$?; \
	 [ $$status = 2 ] || exit $$status; echo "no shellcheck here: shell scripts are not checked"; [ -z "$$TRUNKLINE_SHELLCHECK_REQUIRED" ]; }

house: ## import table, package docs, file and function lengths
	$(GO) test -count=1 ./internal/house

race: ## run the tests under the race detector, but for MySQL, the examples, packages, commands (they start programs that are built without it) and the full-screen client; the random ones shorter (needs cgo)
	CGO_ENABLED=1 $(GO) test -race -short -tags pebblegozstd -count=1 $$($(GO) list ./... | grep -v -e /store/mysql -e /examples/ -e /cmd/ -e /freebsd -e /linux)

fuzz: ## run each fuzz target for FUZZTIME (10s)
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz'); do \
	    echo "$$pkg $$f"; GO=$(GO) sh internal/house/fuzz.sh $$pkg $$f $(FUZZTIME) || exit 1; \
	  done; done

bench: ## run all micro-benchmarks (BENCHTIME=1s COUNT=1)
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -count $(COUNT) ./...

bench-figures: build ## the figures of the README: echo, idle connections and sessions, messages, logins, a storm, cross-loop, GC, allocations
	$(BIN) bench echo
	$(BIN) bench connect --raw
	$(BIN) bench connect
	$(BIN) bench message --inflight 1
	$(BIN) bench message --inflight 16
	$(BIN) bench message --rate 2000
	$(BIN) bench message --rate 2000 --transport noise
	$(BIN) bench connect --transport both
	$(BIN) bench login
	$(BIN) bench storm
	$(BIN) bench message --ack both --rate 2000
	$(GO) test -run '^$$' -bench 'Record|Responder' -benchmem -cpu 1 -benchtime $(BENCHTIME) ./codec/secure
	$(GO) test -run '^$$' -bench 'CrossLoopMessage/native/.*/burst=16$$|Collector' -benchtime $(BENCHTIME) ./netpoll
	$(GO) test -count=1 -run TestARoutedMessage -v ./server | grep -v '^=== '

bench-memory: ## what idle sessions take, measured beside what --explain-memory says; fails above 10 % of difference
	TRUNKLINE_BENCH_MEMORY=1 $(GO) test ./cmd/trunkline -run TestExplainedMemoryIsWhatSessionsTake -count=1 -v -timeout 10m

bench-storm: build ## a storm of returning clients against a server on a processor of its own (Linux, two processors)
	sh bench/storm-apart.sh

bench-durable: build ## what the first tick costs on disk, a mixed day, a backlog, starts with a million messages, memory of a message
	$(BIN) bench message --ack both --rate 2000
	$(BIN) bench message --ack both --inflight 16
	$(BIN) bench mix
	$(BIN) bench backlog
	$(BIN) bench start
	$(BIN) bench mailbox -- --data off
	$(BIN) bench mailbox

bench-group: build ## what a message to a group costs for each member beside the sockets alone, and what presence does to messages
	$(BIN) bench group --ack memory
	$(BIN) bench group --ack disk
	$(BIN) bench presence
	$(GO) test -run '^$$' -bench GroupMessage -benchmem -cpu 1 -benchtime $(BENCHTIME) ./shard

bench-mix-stalled: ## a whole mixed day while the disk of the offline store hangs for a minute, four minutes
	MIXED_DAY=1 $(GO) test -count=1 -v -timeout 20m -run '^TestAWholeMixedDay$$' ./server

bench-peers: build ## beside gnet.Run, then the same work against Mosquitto, NATS and ejabberd (module bench/peers), interleaved; PEERS="--short" for two minutes
	sh bench/peers/install.sh
	cd bench/peers && $(GO) build -trimpath -o ../../bin/gnetecho ./gnetecho && $(GO) build -trimpath -o ../../bin/versus ./versus
	$(BIN) bench echo --peer bin/gnetecho
	$(BIN) bench connect --raw --peer bin/gnetecho
	@mkdir -p out/bench
	bin/versus --trunkline $(BIN) --json out/bench/peers.json --markdown bench/peers/RESULTS.md $(PEERS)

cover: ## coverage by package, report in out/cover.html
	@mkdir -p out
	$(GO) test -count=1 -coverprofile=out/cover.out ./...
	$(GO) tool cover -html=out/cover.out -o out/cover.html
	$(GO) tool cover -func=out/cover.out | tail -1

freebsd: ## vet and build for freebsd/amd64 and freebsd/arm64, test binaries included
	@for arch in amd64 arm64; do \
	  echo "freebsd/$$arch"; \
	  GOOS=freebsd GOARCH=$$arch $(GO) vet ./... || exit 1; \
	  GOOS=freebsd GOARCH=$$arch $(GO) build -o /dev/null ./cmd/trunkline || exit 1; \
	  GOOS=freebsd GOARCH=$$arch $(GO) build ./... || exit 1; done

freebsd-pkg: ## an installable FreeBSD package in out/freebsd-ARCH, made on any system (ARCH=amd64 or arm64)
	GOOS=freebsd GOARCH=$(ARCH) $(GO) build -trimpath -ldflags '-s -w' -o out/freebsd-$(ARCH)/trunkline ./cmd/trunkline
	@version="$$($(GO) run ./cmd/trunkline version | cut -d' ' -f2)" && \
	 $(GO) run ./freebsd/pkg -binary out/freebsd-$(ARCH)/trunkline -arch $(ARCH) -version "$$version" -epoch "$$(git log -1 --format=%ct 2>/dev/null || echo 0)" -out out/freebsd-$(ARCH)

freebsd-run: ## run the FreeBSD build: tests, a server with clients, two benchmarks; natively, or through the translator FBSDRUN (SHORT=1, PACKAGES=...)
	@GO="$(GO)" sh freebsd/run.sh

deb: ## a Debian package in out/deb (ARCH=amd64 or arm64)
	rm -rf out/deb
	GOOS=linux GOARCH=$(ARCH) $(GO) build -trimpath -ldflags '-s -w' -o out/deb/trunkline ./cmd/trunkline
	@version="$$($(GO) run ./cmd/trunkline version | cut -d' ' -f2 | cut -d+ -f1)" && \
	 BINARY=out/deb/trunkline ARCH=$(ARCH) VERSION=$$version SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct 2>/dev/null || echo 0)" GOFLAGS= \
	 $(GO) run github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM) package --config linux/nfpm.yaml --packager deb --target out/deb/
	@if command -v dpkg-deb >/dev/null; then TRUNKLINE_DEB=$$(ls $(CURDIR)/out/deb/*.deb) $(GO) test -count=1 -run BuiltPackage ./linux; fi

clean: ## remove what was built
	rm -rf bin out
