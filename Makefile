# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# serin: `make help` lists what can be made. V=1 shows the commands, SAN=1 builds with ASan and UBSan.

BUILD := build$(if $(SAN),/san)
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
CLANG ?= clang
# bpftool lives in /usr/sbin, which is not in everybody's PATH.
BPFTOOL ?= $(firstword $(shell PATH="$$PATH:/usr/sbin:/sbin" command -v bpftool 2>/dev/null) bpftool)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' $(1) $(2))

ARCH := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)

WARN := -Wall -Wextra -Werror
SANFLAGS := $(if $(SAN),-fsanitize=address -fsanitize=undefined -fno-omit-frame-pointer)
CPPFLAGS += -Iinclude -Iuser -I$(BUILD) -MMD -MP
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=gnu11 $(CFLAGS) $(WARN) $(SANFLAGS)
BPFFLAGS := -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_$(ARCH) $(WARN) -Wno-unused-parameter \
	-Iinclude -Ibpf -idirafter /usr/include/$(MULTIARCH) -MMD -MP

BPF_OBJECTS := $(patsubst bpf/%.bpf.c,$(BUILD)/%.bpf.o,$(wildcard bpf/*.bpf.c))
USER_OBJECTS := $(patsubst user/%.c,$(BUILD)/user/%.o,$(wildcard user/*.c))
SKELETON := $(BUILD)/serin.skel.h

.PHONY: all
all: $(BUILD)/serin ## build build/serin (the default)

$(BUILD)/%.bpf.o: bpf/%.bpf.c | $(BUILD)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPFFLAGS) -c $< -o $@

$(BUILD)/serin.bpf.linked: $(BPF_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKELETON): $(BUILD)/serin.bpf.linked
	$(call say,SKELETON,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name serin_bpf > $@

$(BUILD)/user/%.o: user/%.c | $(BUILD)/user $(SKELETON)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c $< -o $@

$(BUILD)/serin: $(USER_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -o $@ -lbpf -lmicrohttpd -lcyaml -lyaml -ljansson -lsqlite3 -lm -lpthread

# The page is taken in as it is; what a browser may run of it is told by hashes.
PAGE := user/web/page.html

$(BUILD)/page_hashes.h: $(PAGE) tools/page-hashes | $(BUILD)
	$(call say,HASH,$<)
	$(Q)tools/page-hashes $< > $@

$(BUILD)/user/web.o: $(PAGE) $(BUILD)/page_hashes.h

# ---- servers and clients for demos and tests ----

SHARED := util options
MODEL_SERVER := model_server model_http model_api model_faults model_listener model_log corpus ngram address
LOAD := load load_run load_slot load_request load_tally http_response address

$(BUILD)/tools/%.o: tools/%.c | $(BUILD)/tools
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) -Itools $(ALL_CFLAGS) -c $< -o $@

$(BUILD)/model-server: $(MODEL_SERVER:%=$(BUILD)/tools/%.o) $(SHARED:%=$(BUILD)/user/%.o)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -o $@ -lmicrohttpd -ljansson -lm -lpthread

$(BUILD)/load: $(LOAD:%=$(BUILD)/tools/%.o) $(SHARED:%=$(BUILD)/user/%.o)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -o $@ -ljansson -lm

$(BUILD)/accuracy-server: $(BUILD)/tools/accuracy_server.o $(BUILD)/user/util.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -o $@ -lpthread

.PHONY: tools
tools: $(BUILD)/model-server $(BUILD)/load ## build the model server and the load client

# ---- tests ----

# What the end-to-end tests need that nobody else has: a program a file.
E2E_TOOLS := $(patsubst tests/e2e/%.c,$(BUILD)/e2e/%,$(wildcard tests/e2e/*.c))

$(BUILD)/e2e/%: tests/e2e/%.c $(BUILD)/user/util.o | $(BUILD)/e2e
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) $^ -o $@ -Wl,--as-needed -lbpf -luring

.PHONY: test-tools
test-tools: $(E2E_TOOLS)

# A unit test names what it links in its first line: "Links: user/x.c -lfoo". It is built with sanitizers always, but for
# one of statistics, that says in its second line what the compiler is told besides, as "Flags: -O2 -fno-sanitize=all".
UNIT_TESTS := $(patsubst tests/unit/test_%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
links = $(shell sed -n 's|^/\* Links: \(.*\) \*/|\1|p' $(1))
flags = $(shell sed -n 's|^/\* Flags: \(.*\) \*/|\1|p' $(1))
TEST_CFLAGS := -std=gnu11 -O1 -g $(WARN) -Werror=unused-function -fsanitize=address -fsanitize=undefined \
	-fno-sanitize-recover=all -fno-omit-frame-pointer -Iinclude -Iuser -Itools -I$(BUILD) -isystem /usr/share/include
TEST_SOURCES := $(wildcard user/*.[ch] tools/*.[ch] include/serin/*.h tests/unit/http1_*.[ch] tests/fuzz/input.[ch] \
	tests/bpf/*.[ch] bpf/*.h) $(PAGE) $(BUILD)/page_hashes.h

# llhttp comes as sources. It is not ours to warn about.
LLHTTP := /usr/share/llhttp
LLHTTP_CFLAGS := -g -O1 -DLLHTTP_STRICT_MODE=1 -isystem /usr/share/include/llhttp

$(BUILD)/llhttp/%.o: $(LLHTTP)/%.c | $(BUILD)/llhttp
	$(call say,CC,$<)
	$(Q)$(CC) $(LLHTTP_CFLAGS) -c $< -o $@

$(BUILD)/libllhttp.a: $(patsubst %,$(BUILD)/llhttp/%.o,llhttp api http)
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

$(BUILD)/unit/%: tests/unit/test_%.c $(TEST_SOURCES) $(SKELETON) $(BUILD)/libllhttp.a | $(BUILD)/unit
	$(call say,TEST,$<)
	$(Q)$(CC) $(TEST_CFLAGS) $(call flags,$<) $< $(filter %.c,$(call links,$<)) -o $@ -L$(BUILD) $(filter -l%,$(call links,$<)) -lcmocka

# A test of BPF programs takes the product's, or brings its own, which are no part of it: tests/bpf/x.bpf.c for
# tests/bpf/test_x.c.
BPF_TESTS := $(patsubst tests/bpf/test_%.c,$(BUILD)/bpf/%,$(wildcard tests/bpf/test_*.c))
FOUND := $(BUILD)/fuzz/found

$(BUILD)/bpf/%.bpf.o: tests/bpf/%.bpf.c | $(BUILD)/bpf
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPFFLAGS) -c $< -o $@

$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call say,SKELETON,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

.SECONDEXPANSION:
$(BUILD)/bpf/%: tests/bpf/test_%.c $(TEST_SOURCES) $$(if $$(wildcard tests/bpf/$$*.bpf.c),$(BUILD)/bpf/$$*.skel.h,$(SKELETON)) | $(BUILD)/bpf
	$(call say,TEST,$<)
	$(Q)$(CC) $(TEST_CFLAGS) -I$(BUILD)/bpf -DFOUND='"$(FOUND)"' $< $(filter %.c,$(call links,$<)) -o $@ $(filter -l%,$(call links,$<)) -lbpf -lcmocka

.PHONY: bpf-tests
bpf-tests: $(BPF_TESTS)

.PHONY: unit-tests
unit-tests: $(UNIT_TESTS)

SUITES ?= unit bpf e2e

.PHONY: deps-build deps-demo deps-test deps-real deps-ship deps-vm deps-bench deps-accuracy
deps-build deps-demo deps-test deps-real deps-ship deps-vm deps-bench deps-accuracy:
	$(Q)tools/install-deps $(@:deps-%=%)

# What needs packages first is made by a second make, which then sees what they brought.
.PHONY: demo
demo: deps-demo ## the main job, start to end, in under a minute
	$(Q)$(MAKE) --no-print-directory -s all tools
	$(Q)tools/demo

.PHONY: test
test: deps-test $(patsubst %,deps-%,$(filter real ship,$(SUITES))) ## all tests that run on this kernel; SUITES="unit bpf e2e real ship vm" chooses
	$(Q)$(MAKE) --no-print-directory -s all tools test-tools unit-tests bpf-tests
	$(Q)tests/run $(SUITES)

.PHONY: vmtest
vmtest: deps-vm ## the smoke test in Debian's 6.1 and 6.12 kernels under QEMU
	$(Q)$(MAKE) --no-print-directory -s all tools
	$(Q)tests/run vm

.PHONY: bench
bench: deps-bench ## measure: steering, observing, BPF time a request, HAProxy beside it
	$(Q)$(MAKE) --no-print-directory -s all tools bpf-tests
	$(Q)tools/bench

.PHONY: accuracy
accuracy: deps-accuracy ## hold serin's times against the servers' own clocks and a packet capture
	$(Q)$(MAKE) --no-print-directory -s all tools $(BUILD)/accuracy-server
	$(Q)tools/accuracy

.PHONY: rollback
rollback: deps-test ## measure: from a fault to the decision, to the canary's last connection and request
	$(Q)$(MAKE) --no-print-directory -s all tools test-tools
	$(Q)tools/rollback

# Two fuzzers, half of the time each. What they find stays in build/fuzz/found, from where they go on the next time and
# tests/bpf takes it into the kernel; nothing is written into the repository.
FUZZERS := http1 exchange
FUZZ_CFLAGS := -std=gnu11 -g -O1 $(WARN) -fsanitize=fuzzer,address,undefined -Iinclude -isystem /usr/share/include
fuzz_http1 := tests/fuzz/input.c tests/unit/http1_reference.c tests/unit/http1_llhttp.c \
	$(patsubst %,$(BUILD)/fuzz/%.llhttp.o,llhttp api http)
fuzz_exchange := tests/fuzz/input.c tests/bpf/exchange.c tests/bpf/host.c tests/unit/http1_reference.c tests/unit/http1_samples.c

$(BUILD)/fuzz/%.llhttp.o: $(LLHTTP)/%.c | $(BUILD)/fuzz
	$(Q)$(CLANG) $(LLHTTP_CFLAGS) -fsanitize=fuzzer-no-link -c $< -o $@

$(FUZZERS:%=$(BUILD)/fuzz/%): $(BUILD)/fuzz/%: tests/fuzz/%_fuzz.c $$(fuzz_$$*) $(TEST_SOURCES) | $(BUILD)/fuzz
	$(call say,FUZZER,$<)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) $< $(fuzz_$*) -o $@

$(BUILD)/fuzz/seeds: tests/fuzz/seeds.c tests/bpf/exchange_samples.c tests/fuzz/input.c tests/unit/http1_samples.c $(TEST_SOURCES) | $(BUILD)/fuzz
	$(Q)$(CC) -std=gnu11 -O1 $(WARN) -Iinclude $(wordlist 1,4,$^) -o $@

.PHONY: fuzzers
fuzzers: $(FUZZERS:%=$(BUILD)/fuzz/%) $(BUILD)/fuzz/seeds

.PHONY: fuzz
fuzz: deps-test ## fuzz the framing for FUZZ_SECONDS (default 60)
	$(Q)$(MAKE) --no-print-directory -s fuzzers
	$(Q)mkdir -p $(FUZZERS:%=$(FOUND)/%) $(FUZZERS:%=$(BUILD)/fuzz/samples/%)
	$(Q)$(BUILD)/fuzz/seeds $(FUZZERS:%=$(BUILD)/fuzz/samples/%)
	$(Q)for fuzzer in $(FUZZERS); do $(BUILD)/fuzz/$$fuzzer -max_len=4096 -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/ \
		-max_total_time=$$((($(or $(FUZZ_SECONDS),60) + 1) / 2)) $(FOUND)/$$fuzzer tests/fuzz/corpus/$$fuzzer \
		$(BUILD)/fuzz/samples/$$fuzzer || exit 1; done

# ---- installing ----

# Where things go: below PREFIX, but for what an administrator writes.
SBINDIR ?= $(PREFIX)/sbin
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
MANDIR ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
UNITS := $(notdir $(wildcard deploy/systemd/*.service))
PAGES := $(notdir $(wildcard docs/man/*.[15]))

.PHONY: install
install: all ## install to $(DESTDIR)$(PREFIX): program, units, completions, manual; `make uninstall` takes it away
	$(Q)install -D -m 0755 $(BUILD)/serin $(DESTDIR)$(SBINDIR)/serin
	$(Q)install -D -m 0644 deploy/serin.yaml $(DESTDIR)$(SYSCONFDIR)/serin/serin.yaml.example
	$(Q)for unit in $(UNITS); do \
		sed 's|/usr/sbin/serin|$(SBINDIR)/serin|; s|/etc/serin/|$(SYSCONFDIR)/serin/|' deploy/systemd/$$unit | \
			install -D -m 0644 /dev/stdin $(DESTDIR)$(UNITDIR)/$$unit || exit 1; done
	$(Q)$(BUILD)/serin completion bash >$(BUILD)/completion.bash && install -D -m 0644 $(BUILD)/completion.bash $(DESTDIR)$(BASHDIR)/serin
	$(Q)$(BUILD)/serin completion zsh >$(BUILD)/completion.zsh && install -D -m 0644 $(BUILD)/completion.zsh $(DESTDIR)$(ZSHDIR)/_serin
	$(Q)$(BUILD)/serin completion fish >$(BUILD)/completion.fish && install -D -m 0644 $(BUILD)/completion.fish $(DESTDIR)$(FISHDIR)/serin.fish
	$(Q)for page in $(PAGES); do \
		install -D -m 0644 -t $(DESTDIR)$(MANDIR)/man$${page##*.} docs/man/$$page || exit 1; done

.PHONY: uninstall
uninstall:
	$(Q)rm -f $(DESTDIR)$(SBINDIR)/serin $(DESTDIR)$(SYSCONFDIR)/serin/serin.yaml.example \
		$(UNITS:%=$(DESTDIR)$(UNITDIR)/%) $(DESTDIR)$(BASHDIR)/serin $(DESTDIR)$(ZSHDIR)/_serin \
		$(DESTDIR)$(FISHDIR)/serin.fish $(foreach page,$(PAGES),$(DESTDIR)$(MANDIR)/man$(lastword $(subst ., ,$(page)))/$(page))
	$(Q)rmdir $(DESTDIR)$(SYSCONFDIR)/serin 2>/dev/null || true # what an administrator wrote there stays

.PHONY: deb
deb: ## build/serin_VERSION_ARCH.deb
	$(Q)$(MAKE) --no-print-directory -s all
	$(Q)deploy/deb/build $(BUILD)

$(BUILD) $(BUILD)/user $(BUILD)/tools $(BUILD)/unit $(BUILD)/bpf $(BUILD)/e2e $(BUILD)/fuzz $(BUILD)/llhttp:
	$(Q)mkdir -p $@

.PHONY: clean
clean: ## remove build/
	$(Q)rm -rf build

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

.DELETE_ON_ERROR:
-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d)
