// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Scheduler -> CPU time, run-queue delay and exits of each target. Threads and children belong to their parent's
 * target. A task that is nobody's costs one load and one branch a switch.
 */
#include "maps.bpf.h"

static __always_inline struct serin_task *task_of(struct task_struct *task)
{
	if (!task->bpf_storage) /* no call for the many tasks that are nobody's */
		return NULL;
	return bpf_task_storage_get(&serin_tasks, task, 0, 0);
}

/*
 * The scheduler's own account of a thread, which /proc/PID/schedstat shows: brought up to date before each switch. The
 * time between two switches would be more: interrupts and the hypervisor take their share of it. The hooks run with
 * interrupts off, nothing can come between, so these additions are plain.
 */
static __always_inline void add_cpu(struct serin_task *task, struct task_struct *p)
{
	struct serin_tally *tally = serin_tally_of(task->target);
	__u64 runtime = p->se.sum_exec_runtime;

	if (tally)
		tally->cpu_ns += runtime - task->runtime_ns;
	task->runtime_ns = runtime;
}

static __always_inline void add_wait(__u32 target, __u64 ns)
{
	__u32 key = target * SERIN_HISTS + SERIN_RUN_QUEUE, bucket = serin_hist_bucket(ns);
	struct serin_hist *hist = bpf_map_lookup_elem(&serin_hists, &key);
	__u64 *count = hist ? serin_bucket(hist, bucket) : NULL;

	if (!count)
		return;
	(*count)++;
	hist->sum += ns;
	if (ns > hist->max)
		hist->max = ns;
}

static __always_inline void switched_in(struct serin_task *task, struct serin_running *running, __u64 now)
{
	running->target = task->target;
	running->since_ns = now;
	if (task->runnable_ns && now > task->runnable_ns)
		add_wait(task->target, now - task->runnable_ns);
	task->runnable_ns = 0;
}

static __always_inline void switched_out(struct serin_task *task, struct task_struct *p, bool preempted,
					 struct serin_running *running, __u64 now)
{
	running->since_ns = 0;
	add_cpu(task, p);
	if (preempted)
		task->runnable_ns = now;
}

/* prev_state is an argument since 5.18; 0: preempted, so it waits from now on. */
SEC("tp_btf/sched_switch")
int BPF_PROG(serin_sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	struct serin_running *running;
	struct serin_task *task;
	__u32 zero = 0;
	__u64 now;

	if (!prev->bpf_storage && !next->bpf_storage)
		return 0;
	running = bpf_map_lookup_elem(&serin_running, &zero);
	if (!running)
		return 0;
	now = bpf_ktime_get_ns();
	task = task_of(prev);
	if (task)
		switched_out(task, prev, !prev_state, running, now);
	task = task_of(next);
	if (task)
		switched_in(task, running, now);
	return 0;
}

static __always_inline void runnable(struct task_struct *p)
{
	struct serin_task *task = task_of(p);

	if (task)
		task->runnable_ns = bpf_ktime_get_ns();
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(serin_sched_wakeup, struct task_struct *p)
{
	runnable(p);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(serin_sched_wakeup_new, struct task_struct *p)
{
	runnable(p);
	return 0;
}

static __always_inline void join(struct task_struct *task, __u32 target, __u64 runtime)
{
	struct serin_task *entry = bpf_task_storage_get(&serin_tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!entry) {
		serin_lost(SERIN_LOSS_STORAGE, 1);
		return;
	}
	entry->target = target;
	entry->runtime_ns = runtime;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(serin_sched_fork, struct task_struct *parent, struct task_struct *child)
{
	struct serin_task *task = task_of(parent);

	if (task)
		join(child, task->target, 0);
	return 0;
}

/* Low 7 bits: the signal that ended it; next 8: the status it exited with (wait(2)). */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(serin_sched_exit, struct task_struct *p)
{
	struct serin_task *task = task_of(p);
	struct serin_tally *tally;
	__u32 pid = p->tgid;

	/* Its leader stands for a process. (signal->live is 0 for several threads at once before 6.16, where the
	 * tracepoint comes late.) */
	if (!task || p->pid != p->tgid || task->exited)
		return 0;
	task->exited = 1; /* while a newer version takes this one's place, both are called */
	bpf_map_delete_elem(&serin_roots, &pid); /* the number may soon be a stranger's */
	tally = serin_tally_of(task->target);
	if (!tally)
		return 0;
	if (p->exit_code & 0x7f)
		serin_add(&tally->exits_signal, 1);
	else if (p->exit_code)
		serin_add(&tally->exits_error, 1);
	return 0;
}

#define ANCESTORS 32

/* The target of a process: its own, or that of the nearest ancestor that is a root. SERIN_NONE: nobody's. */
static __always_inline __u32 target_by_ancestry(struct task_struct *task)
{
	for (int i = 0; i < ANCESTORS; i++) {
		__u32 pid = BPF_CORE_READ(task, tgid);
		__u32 *target;

		if (pid <= 1)
			break;
		target = bpf_map_lookup_elem(&serin_roots, &pid);
		if (target)
			return *target;
		task = BPF_CORE_READ(task, real_parent);
		if (!task)
			break;
	}
	return SERIN_NONE;
}

/* Walks every thread: adopts those that descend from a root, and lists the processes of each target. */
SEC("iter/task")
int serin_members(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct serin_member member = {};
	struct serin_task *entry;
	__u32 target;

	if (!task)
		return 0;
	entry = bpf_task_storage_get(&serin_tasks, task, 0, 0);
	if (!entry) {
		target = target_by_ancestry(task);
		if (target == SERIN_NONE)
			return 0;
		join(task, target, task->se.sum_exec_runtime); /* from now on */
	} else {
		target = entry->target;
	}
	if (task->pid != task->tgid)
		return 0;
	member.pid = task->tgid;
	member.target = target;
	bpf_seq_write(ctx->meta->seq, &member, sizeof(member));
	return 0;
}
