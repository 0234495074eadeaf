"""vm.py - user-mode Linux that runs one shell script over FAT disks whose writes and flushes are logged (loop devices on tmpfs under dm-log-writes).

run(script, payload, disks): payload is a directory that becomes /w in the guest, disks are (image, log or None).
Guest: disks are $D0, $D1, ...; what the script leaves in /out comes back in the directory that is returned.
"""
import glob, os, re, shutil, subprocess, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = os.environ.get("POWERCUT_WORK") or os.path.join(tempfile.gettempdir(), "powercut")
ASSETS = os.environ.get("XBB_ASSETS") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "xen-boot-builder/assets")
LINUX, MODULES = "/usr/bin/linux.uml", "/usr/lib/uml/modules"  # Debian's package user-mode-linux
INIT = r"""#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
echo 4 > /proc/sys/kernel/printk
for m in MODLIST; do insmod /m/$m.ko || echo "INSMOD $m failed"; done
mkdir -p /w /out /mnt /tmp
mount -t tmpfs -o size=90% t /w; mount -t tmpfs -o size=90% t /out
tar xf /dev/ubda -C /w
. /w/disks.sh
cd /w
echo SCRIPT-BEGIN
sh /w/script.sh 2>&1
echo "SCRIPT-END $?"
dmesg | grep -i -E "fat|error" > /out/dmesg
tar cf /dev/ubdb -C /out .
echo VM-DONE
poweroff -f
"""

MODS = ["loop", "dm-mod", "dm-log-writes", "dm-delay", "nls_cp437", "nls_ascii", "nls_iso8859-1", "nls_utf8", "fat", "vfat"]
BODY = 80 << 20  # what of an image without log goes in and comes back; scenarios stay below
HEAD = (24 if os.environ.get("POWERCUT_STALE") else 3) << 20  # of an image: mkfs.vfat writes nothing behind

def modpath(m):
    g = glob.glob(f"{MODULES}/*/kernel/**/{m}.ko*", recursive=True)
    return g[0] if g else None

def prep():
    """guest helper, replayer and what UML is started with built, the guest's initrd made"""
    os.makedirs(WORK, exist_ok=True)
    env = dict(os.environ, CGO_ENABLED="0")
    for b in ("guest", "replay"):
        subprocess.run(["go", "build", "-o", f"{WORK}/{b}", f"./{b}"], cwd=HERE, env=env, check=True)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", f"{WORK}/xstate.so", f"{HERE}/xstate.c"], check=True)
    d = tempfile.mkdtemp(dir=WORK)
    for s in ("bin", "proc", "sys", "dev", "m"):
        os.mkdir(f"{d}/{s}")
    busybox = f"{ASSETS}/busybox"
    shutil.copy(busybox, f"{d}/bin/busybox")
    for a in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if a != "busybox":
            os.symlink("busybox", f"{d}/bin/{a}")
    mods = [m for m in MODS if modpath(m)]
    for m in mods:
        shutil.copy(modpath(m), f"{d}/m/{m}.ko")
    with open(f"{d}/init", "w") as f:
        f.write(INIT.replace("MODLIST", " ".join(mods)))
    os.chmod(f"{d}/init", 0o755)
    subprocess.run(f"cd {d} && find . | cpio -o -H newc --quiet | gzip -1 > {WORK}/initrd", shell=True, check=True)
    shutil.rmtree(d)

def run(script, payload, disks, timeout=1800, mem=3072, tag="vm"):
    os.makedirs(WORK, exist_ok=True)
    with open(f"{payload}/script.sh", "w") as f:
        f.write(script)
        for i, (img, lg) in enumerate(disks):
            f.write(f"/w/guest logwrites log{i} remove - - && /w/guest logdump /l{i} /out/l{i}\n" if lg else f"head -c {BODY} /d{i} | gzip -1 > /out/d{i}.gz\n")
    sh = ""
    for i, (img, lg) in enumerate(disks):
        h = f"{payload}/disk{i}.head"
        if lg:
            with open(img, "rb") as f, open(h, "wb") as g:
                g.write(f.read(HEAD))
        else:
            subprocess.run(f"head -c {BODY} {img} | gzip -1 > {h}", shell=True, check=True)
        n = os.path.getsize(img)
        sh += (f"mv /w/disk{i}.head /d{i}; truncate -s {n} /d{i}\n" if lg else f"gunzip -c /w/disk{i}.head > /d{i}; rm /w/disk{i}.head; truncate -s {n} /d{i}\n")
        sh += f"export D{i}=$(/w/guest loop /d{i})\n"
        if lg:
            sh += f"truncate -s 400M /l{i}; export D{i}=$(/w/guest logwrites log{i} {n // 512} $D{i} $(/w/guest loop /l{i}))\n"
    with open(f"{payload}/disks.sh", "w") as f:
        f.write(sh)
    tar, out = f"{WORK}/{tag}.in.tar", f"{WORK}/{tag}.out.tar"
    subprocess.run(["tar", "cf", tar, "-C", payload, "."], check=True)
    with open(out, "wb") as f:
        f.truncate(1 << 30)
    cmd = ["nice", LINUX, f"mem={mem}M", f"initrd={WORK}/initrd", f"ubda={tar}", f"ubdb={out}", "con0=fd:0,fd:1", "con=null", "ssl=null",
           "quiet", "panic=1", f"umid={tag}{os.getpid()}", f"uml_dir={WORK}/uml/"]
    with open(f"{WORK}/{tag}.console", "wb") as c:
        p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=c, stderr=subprocess.STDOUT, env=dict(os.environ, TMPDIR="/dev/shm", LD_PRELOAD=f"{WORK}/xstate.so"), start_new_session=True)
        err = ""
        try:
            p.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, 9); p.wait(); err = "TIMEOUT"
    con = open(f"{WORK}/{tag}.console", errors="replace").read().replace("\r", "")
    o = f"{WORK}/{tag}.out"
    shutil.rmtree(o, ignore_errors=True); os.makedirs(o)
    if "VM-DONE" in con:
        subprocess.run(["tar", "xf", out, "-C", o], check=True)
        for i, (img, lg) in enumerate(disks):
            if lg and os.path.exists(f"{o}/l{i}"):
                os.replace(f"{o}/l{i}", lg)
            if not lg and os.path.exists(f"{o}/d{i}.gz"):
                n = os.path.getsize(img)
                subprocess.run(f"gunzip -c {o}/d{i}.gz > {img}; truncate -s {n} {img}; rm {o}/d{i}.gz", shell=True, check=True)
    return con, o, err
