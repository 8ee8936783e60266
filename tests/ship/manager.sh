#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# systemd as t_unit.sh uses it: a user manager of root, which starts units as the system's does, with all their
# restrictions, and need not be the first process. It gets a mount namespace of its own with a /run and a bpffs that nobody
# else has, and what `make install` places there. Runs under `unshare --mount`:
#
#   manager.sh ROOT CGROUP CGROUP2     the repository; where its control groups are to be; where cgroup2 is mounted
set -euo pipefail
root=$1 cgroup=$2 cgroup2=$3

mount --make-rprivate /
mkdir "$cgroup/manager"
echo $$ >"$cgroup/manager/cgroup.procs"
mount -t tmpfs -o mode=755 tmpfs /run
mount -t bpf -o mode=700 bpf /sys/fs/bpf
# It looks for cgroup2 there.
if [[ $cgroup2 != /sys/fs/cgroup ]]; then
	mkdir /run/cgroup2
	mount --bind "$cgroup2" /run/cgroup2
	umount -R /sys/fs/cgroup
	mount --move /run/cgroup2 /sys/fs/cgroup
fi
mkdir /run/systemd /run/systemd/system # what says that systemd has booted the machine

make -s -C "$root" install PREFIX=/run/usr SYSCONFDIR=/run/etc UNITDIR=/run/units DESTDIR=
mkdir /run/units/serin.service.d
printf '[Service]\nWatchdogSec=2s\nStandardOutput=append:/run/agent.log\nStandardError=append:/run/agent.err\n' \
	>/run/units/serin.service.d/test.conf

# Where a user manager has RuntimeDirectory= and StateDirectory=.
export XDG_RUNTIME_DIR=/run XDG_CONFIG_HOME=/run/lib
export SYSTEMD_UNIT_PATH=/run/units:/usr/lib/systemd/user SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_LEVEL=info
exec /lib/systemd/systemd --user --unit=basic.target
