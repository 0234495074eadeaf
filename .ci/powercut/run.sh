#!/bin/bash
# run.sh TOOL [quick] - power cuts on a real vfat, in user-mode Linux: every state that a cut may leave is judged, and
# repaired by the next run. Exit 1 where one breaks a promise.
#
#   TOOL     a static build: CGO_ENABLED=0 go build -o TOOL ./cmd/xen-boot-builder
#   quick    four scenarios: first install, another Xen, other parameters, a full disk
#
# POWERCUT_STALE=1 fills the free clusters with what deleted files have left; POWERCUT_XENDEFAULT=1 lets loader.conf
# start Xen already. cuts.py --help has more: clusters of another size, a kernel that writes all the time.
#
# cuts.py     runs the scenarios, replays their logs, judges; scen.py has the scenarios, scenario.py makes NixOS roots
# replay/     a log -> states: each prefix, torn writes, subsets of the writes and sectors since the last flush
# judge.py    a state -> what is wrong with it; espcheck.py reads an ESP besides
# repair.py   the next run, on a mounted vfat, on the states that cuts.py kept: as they are, and after fsck.vfat -a
# vm.py       the machine; guest/ is its helper
# first.py    how long a first install takes there, beside cp and sync -f
set -uo pipefail
tool=$(realpath "$1")
cd "$(dirname "$0")"
failed=0
only=()
[ "${2:-}" = quick ] && only=(--only '^(first-shared|newxen-shared|params-embedded|full-shared)$')
run() {
	echo "# $*"
	PYTHONDONTWRITEBYTECODE=1 python3 "$@" || failed=1
}
run cuts.py "$tool" --tag run --samples 100 --repair 6 --keep 16 "${only[@]}"
run repair.py "$tool" run 24
exit $failed
