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
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -o $@ -lbpf -lmicrohttpd -ljansson -lcurl -lm

# ---- servers and clients for demos and tests ----

SHARED := util options
MODEL_SERVER := model_server model_http model_api model_faults model_listener corpus ngram address
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

# A unit test names what it links in its first lines: "Links: user/x.c -lfoo". It is built with sanitizers always.
UNIT_TESTS := $(patsubst tests/unit/test_%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
links = $(shell sed -n 's|^/\* Links: \(.*\) \*/|\1|p' $(1))
UNIT_CFLAGS := -std=gnu11 -O1 -g $(WARN) -Werror=unused-function -fsanitize=address -fsanitize=undefined \
	-fno-sanitize-recover=all -fno-omit-frame-pointer -Iinclude -Iuser -Itools -I$(BUILD)

$(BUILD)/unit/%: tests/unit/test_%.c $(wildcard user/*.[ch] tools/*.[ch] include/serin/*.h tests/unit/*.h tests/unit/http1_*.c) \
		$(SKELETON) | $(BUILD)/unit
	$(call say,TEST,$<)
	$(Q)$(CC) $(UNIT_CFLAGS) $< $(filter %.c,$(call links,$<)) -o $@ $(filter -l%,$(call links,$<)) -lcmocka

.PHONY: unit-tests
unit-tests: $(UNIT_TESTS)

SUITES ?= unit e2e

.PHONY: deps-build deps-demo deps-test deps-vm deps-bench deps-accuracy
deps-build deps-demo deps-test deps-vm deps-bench deps-accuracy:
	$(Q)tools/install-deps $(@:deps-%=%)

# What needs packages first is made by a second make, which then sees what they brought.
.PHONY: demo
demo: deps-demo ## the main job, start to end, in under a minute
	$(Q)$(MAKE) --no-print-directory -s all tools
	$(Q)tools/demo

.PHONY: test
test: deps-test ## all tests that run on this kernel; SUITES="unit e2e vm" chooses
	$(Q)$(MAKE) --no-print-directory -s all tools unit-tests
	$(Q)tests/run $(SUITES)

.PHONY: vmtest
vmtest: deps-vm ## the smoke test in Debian's 6.1 and 6.12 kernels under QEMU
	$(Q)$(MAKE) --no-print-directory -s all tools
	$(Q)tests/run vm

.PHONY: bench
bench: deps-bench ## measure: steering, observing, BPF time a request, HAProxy beside it
	$(Q)$(MAKE) --no-print-directory -s all tools
	$(Q)tools/bench

.PHONY: accuracy
accuracy: deps-accuracy ## hold serin's times against the servers' own clocks and a packet capture
	$(Q)$(MAKE) --no-print-directory -s all tools $(BUILD)/accuracy-server
	$(Q)tools/accuracy

.PHONY: fuzz
fuzz: deps-test | $(BUILD) ## fuzz the framing for FUZZ_SECONDS (default 60)
	$(Q)$(CLANG) -g -O1 $(WARN) -fsanitize=fuzzer,address,undefined -Iinclude -Itests/unit tests/fuzz/http1_fuzz.c \
		tests/unit/http1_reference.c -o $(BUILD)/http1_fuzz
	$(Q)$(BUILD)/http1_fuzz -max_total_time=$(or $(FUZZ_SECONDS),60) -max_len=4096 -print_final_stats=1

# ---- installing ----

.PHONY: install
install: all ## install to $(DESTDIR)$(PREFIX)/sbin
	$(Q)install -D -m 0755 $(BUILD)/serin $(DESTDIR)$(PREFIX)/sbin/serin

$(BUILD) $(BUILD)/user $(BUILD)/tools $(BUILD)/unit:
	$(Q)mkdir -p $@

.PHONY: clean
clean: ## remove build/
	$(Q)rm -rf build

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

.DELETE_ON_ERROR:
-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d)
