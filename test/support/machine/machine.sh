#!/bin/bash
# machine.sh NAME NETNS FOLDER: namespaces of a machine of its own, with writable views of /var, /etc and /opt, an empty /run and its own cgroups.
# Says "ready" when they are made, and ends with everything in them when its standard input does. State is kept in FOLDER, on a tmpfs of the machine.
set -euo pipefail
name=$1 netns=$2 folder=$3
if [ -z "${HEDDLE_MACHINE:-}" ]; then # outside: a cgroup in each hierarchy below our own
  while IFS=: read -r _ controllers path; do
    [ -n "$controllers" ] || continue
    group=/sys/fs/cgroup/${controllers#name=}$path/$netns
    mkdir -p "$group"
    case $controllers in *cpuset*) for file in cpuset.cpus cpuset.mems; do cat "$group/../$file" >"$group/$file"; done ;; esac
    echo $$ >"$group/cgroup.procs"
  done </proc/self/cgroup
  export HEDDLE_MACHINE=1
  exec nsenter --net="/run/netns/$netns" unshare -m -p -u -i -C -f --kill-child --propagation private --mount-proc "$0" "$@"
fi
hostname "$name"
mount --make-rshared /
mkdir -p "$folder"
mount -t tmpfs -o mode=755 tmpfs "$folder" # an overlay on an overlay cannot be written
# /sys shows this network namespace, /sys/fs/cgroup this cgroup namespace.
hierarchies=$(sed -n 's/^[0-9]*:\([^:]\+\):.*/\1/p' /proc/self/cgroup)
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
for one in $hierarchies; do
  mkdir "/sys/fs/cgroup/${one#name=}"
  case $one in name=*) options=none,$one ;; *) options=$one ;; esac
  mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/${one#name=}"
done
mount -t bpf bpf /sys/fs/bpf
for one in var etc opt; do
  mkdir -p "$folder/upper/$one" "$folder/work/$one"
  mount -t overlay -o "lowerdir=/$one,upperdir=$folder/upper/$one,workdir=$folder/work/$one" overlay "/$one"
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/lock
rm -rf /etc/cni/net.d /var/lib/cni /var/lib/heddle
mkdir -p /etc/cni/net.d /opt/cni/bin /var/lib/cni
for one in net/ipv4/ip_forward net/ipv6/conf/all/forwarding; do echo 1 >"/proc/sys/$one"; done
echo ready
cat <&0 >/dev/null & # this shell is process 1: it only waits, for those that nobody else waits for too
reader=$!
wait "$reader"
