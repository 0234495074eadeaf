#!/usr/bin/env python3
"""first.py TOOL WORLD [RUNS] - how long a first install takes on a real vfat, in turn with cp of the same bytes and sync -f.

WORLD is a directory with root, bare (the ESP before) and written (what the tool adds to it), as `go run ./.ci/bench -keep DIR
'first install, shared'` lays one out. The disk is in memory, once as fast as that is, and once with 10 ms for each write and
each flush, as a hard disk has. What user-mode Linux takes for each system call is in both figures.
"""
import os, re, shutil, statistics, subprocess, sys
import vm, scen

tool, world, runs = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 5
layout = next(l for l in ("shared", "embedded", "unified") if l in world)
os.makedirs(vm.WORK, exist_ok=True)
vm.prep()
pay, img = f"{vm.WORK}/first.payload", f"{vm.WORK}/first.img"
shutil.rmtree(pay, ignore_errors=True)
os.makedirs(pay)
for name in ("root", "bare", "written", "keys"):
    if os.path.exists(f"{world}/{name}"):
        shutil.copytree(f"{world}/{name}", f"{pay}/{name}", symlinks=True)
shutil.copy(tool, f"{pay}/xbb")
shutil.copy(f"{vm.WORK}/guest", f"{pay}/guest")
size = 256 << 20
with open(img, "wb") as f:
    f.truncate(size)
subprocess.run(["mkfs.vfat", "-F", "32", "-s", "8", img], check=True, stdout=subprocess.DEVNULL)
key = "--pki-bundle /w/keys" if layout == "unified" else ""
sh = f"""
mnt() {{ mount -t vfat -o fmask=0077,dmask=0077,iocharset=iso8859-1 $1 /mnt; cp -r /w/bare/. /mnt; sync; umount /mnt; mount -t vfat -o fmask=0077,dmask=0077,iocharset=iso8859-1 $1 /mnt; }}
chmod 600 /w/keys/keys/db/db.key 2>/dev/null
blank() {{ gunzip -c /w/blank.gz | dd of=$1 bs=1M 2>/dev/null; }}
dd if=$D0 bs=1M count=4 2>/dev/null | gzip -1 > /w/blank.gz
SLOW=$(/w/guest delay slow {size // 512} $D1 10)
for run in $(seq 0 {runs}); do for disk in $D0 $SLOW; do
  label=fast; [ $disk = $SLOW ] && label=slow
  blank $disk; mnt $disk
  grep -q " /mnt vfat" /proc/mounts || exit 1
  /w/guest time $label.ours /w/xbb install --root /w/root --esp /mnt --layout {layout} {key} quiet
  umount /mnt; blank $disk; mnt $disk
  /w/guest time $label.copy sh -c 'cp -r /w/written/. /mnt && sync -f /mnt'
  umount /mnt
done; done
"""
con, out, err = vm.run(sh, pay, [(img, None), (img, None)], tag="first", timeout=560)
times = {}
for label, wall, cpu in re.findall(r"TIME (\S+) (\d+) (\d+)", con):
    times.setdefault(label, []).append((int(wall), int(cpu)))
if not times:
    print(con[-3000:], err)
    sys.exit(2)
for disk in ("fast", "slow"):
    ours, copy = times[disk + ".ours"][1:], times[disk + ".copy"][1:]
    ratio = [a[0] / max(b[0], 1) for a, b in zip(ours, copy)]
    print(f"{layout}, {disk}: ours {statistics.median(a[0] for a in ours)} ms (cpu {statistics.median(a[1] for a in ours)}), "
          f"cp and sync -f {statistics.median(a[0] for a in copy)} ms, ratio {statistics.median(ratio):.2f} ({min(ratio):.2f}-{max(ratio):.2f})")
