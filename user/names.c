// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serin/model.h"

#include "util.h"

/* One table a function; the assert breaks the build when an enum grows and its words do not. */
#define NAMES(function, type, last, ...)                                                \
	const char *function(type value)                                                \
	{                                                                               \
		static const char *const names[] = {__VA_ARGS__};                       \
		_Static_assert(ARRAY_SIZE(names) == (last), "a word for each " #type);  \
		return (unsigned)value < ARRAY_SIZE(names) ? names[value] : "?";        \
	}

NAMES(serin_outcome_name, enum serin_outcome, SERIN_OUTCOMES, "success", "client_error", "throttled", "server_error",
      "server_abort", "timeout", "client_abort", "unknown")
NAMES(serin_latency_name, enum serin_latency, SERIN_LATENCIES, "pickup", "first_byte", "first_chunk",
      "stream_first_chunk", "gap", "duration", "stream_duration", "turn", "run_queue")
NAMES(serin_loss_name, enum serin_loss, SERIN_LOSSES, "gap", "contended", "pipeline", "after_close", "storage",
      "unreadable", "listeners", "processes", "clients", "store")
NAMES(serin_protocol_name, enum serin_protocol, SERIN_PROTOCOLS, "unseen", "http1", "http2", "tls", "other", "upgraded")
NAMES(serin_role_name, enum serin_role, SERIN_ROLES, "none", "stable", "canary")
NAMES(serin_resource_name, enum serin_resource, SERIN_RESOURCES, "cpu", "memory", "network")
NAMES(serin_steered_name, enum serin_steered, SERIN_STEERED_KINDS, "stable", "canary", "absent", "expired", "ruled_stable",
      "ruled_canary")
NAMES(serin_phase_name, enum serin_phase, SERIN_PHASES, "Idle", "Progressing", "Paused", "Promoted", "RolledBack")
NAMES(serin_reason_name, enum serin_reason, SERIN_REASONS, "none", "weight", "aborted", "gate_p", "gate_r", "gate_d",
      "gate_cpu", "gate_external", "evidence_error", "evidence_latency", "exits", "absent", "inconclusive", "started",
      "no_worse", "promoted", "paused", "resumed", "retried", "restored", "replanned")
NAMES(serin_waiting_name, enum serin_waiting, SERIN_WAITINGS, "none", "start", "hold", "traffic", "requests", "evidence",
      "external", "paused", "manual", "canary", "stable")
