#!/bin/sh
# A SLURM cluster on one machine, for tests of the workflow: real daemons, no systemd, no accounting.
#   install          Debian's slurm-wlm and munge (as root)
#   start [NODES]    munged, slurmctld and as many slurmd as there are to be nodes (default 2), one processor each
#   crash NODE       end a node's daemon and every job on it at once, as a power cut would
#   revive NODE      start the node's daemon again
#   status           what SLURM says of the nodes and the queue
#   stop             end all of it and remove what it wrote
# Not a way to run a cluster: everything runs as root on this machine alone, and nodes share its processors.
# All daemons and clients have to find the same configuration, so it lies at /etc/slurm/slurm.conf; one that this
# script did not write is left alone, and nothing is started.
set -eu

state=/run/slurm-test-cluster
conf=/etc/slurm/slurm.conf
cluster=lifroles-test
mark="# written by slurm-test-cluster.sh"
PATH=$PATH:/usr/sbin:/sbin

fail() {
    echo "slurm-test-cluster: $1" >&2
    exit 1
}

need() {
    [ "$(id -u)" -eq 0 ] || fail "the daemons need root: run it as root, on a machine of your own."
    for program in munged mungekey slurmctld slurmd sbatch pgrep; do
        command -v "$program" >/dev/null ||
            fail "there is no $program: '$0 install' installs it on Debian."
    done
}

# wait_until SECONDS COMMAND...: return once the command succeeds
wait_until() {
    tries=$(($1 * 10))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

configure() {
    memory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
    mkdir -p /etc/slurm
    cat >$conf <<CONF
$mark
ClusterName=$cluster
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=17817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job that is put back waits until its old credential is over.
AuthInfo=socket=$state/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$state/ctld
SlurmdSpoolDir=$state/%n
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/%n.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/%n.log
SwitchType=switch/none
MpiDefault=none
# Without systemd there are no control groups to track processes with.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=1,sched_min_interval=200000,bf_interval=2
# A silent node is given up after seconds instead of minutes, and its jobs go back into the queue.
SlurmdTimeout=4
MessageTimeout=5
ReturnToService=2
JobRequeue=1
# The workflow asks squeue how a job ended: that has to be remembered for longer than it takes to ask.
MinJobAge=600
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=node[1-$1] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[17821-$((17820 + $1))] CPUs=1 RealMemory=$memory State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

node_up() { [ "$(sinfo -h -N -n "$1" -o %t)" = idle ]; }

start_node() {
    slurmd -N "$1" || fail "slurmd for $1 did not start: see $state/$1.log."
}

start() {
    need
    [ ! -e $state ] || fail "it is running already, or was not stopped: '$0 stop' first."
    if [ -e $conf ]; then
        head -n 1 $conf | grep -qxF "$mark" || fail "$conf is not this script's: it is left alone, and nothing starts."
    fi
    mkdir -m 755 $state
    mkdir -m 700 $state/ctld
    configure "$1"
    mungekey --create --keyfile $state/munge.key
    munged --force --key-file=$state/munge.key --socket=$state/munge.socket --pid-file=$state/munged.pid \
        --log-file=$state/munged.log --seed-file=$state/munge.seed
    slurmctld
    for i in $(seq "$1"); do
        start_node "node$i"
    done
    for i in $(seq "$1"); do
        wait_until 20 node_up "node$i" || fail "node$i did not come up in 20 s: see $state."
    done
}

# A process and everything that it started.
tree() {
    echo "$1"
    for child in $(pgrep -P "$1" || true); do
        tree "$child"
    done
}

# The processes of a node: its daemon, and the daemons of its jobs' steps, which write to its log, with their jobs.
node_processes() {
    cat "$state/$1.pid" 2>/dev/null || true
    for step in $(pgrep -f '^slurmstepd:' || true); do
        if [ "$(readlink "/proc/$step/fd/3")" = "$state/$1.log" ]; then
            tree "$step"
        fi
    done
}

crash() {
    [ -e "$state/$1.log" ] || fail "there is no node $1: '$0 status' names them."
    # Twice, for what was being started while the list was made.
    for _ in 1 2; do
        node_processes "$1" | xargs -r kill -KILL 2>/dev/null || true
    done
    rm -f "$state/$1.pid"
}

stop() {
    for log in $state/node*.log; do
        [ -e "$log" ] && crash "$(basename "$log" .log)"
    done
    for daemon in slurmctld munged; do
        if [ -e $state/$daemon.pid ]; then
            kill -KILL "$(cat $state/$daemon.pid)" 2>/dev/null || true
        fi
    done
    if [ -e $conf ] && head -n 1 $conf | grep -qxF "$mark"; then
        rm -f $conf
    fi
    rm -rf $state
}

install() {
    if command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null; then
        echo "slurm: $(slurmctld -V)"
        return
    fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail "the tests on a cluster need SLURM: install it (on Debian, as root: apt-get install slurm-wlm munge)."
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
    echo "slurm: $(slurmctld -V)"
}

case ${1-} in
install | stop) "$1" ;;
start) start "${2-2}" ;;
crash) crash "${2?name a node}" ;;
revive) start_node "${2?name a node}" ;;
status)
    sinfo -N -l
    squeue --states=all
    ;;
*) fail "usage: $0 install | start [NODES] | crash NODE | revive NODE | status | stop" ;;
esac
