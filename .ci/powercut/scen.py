"""scen.py - the scenarios: NixOS roots, disks, and the guest's script."""
import os, shutil, subprocess
import vm, scenario

GEOM = {  # name: (MiB, FAT bits, sectors per cluster)
    "f32-4k": (272, 32, 8), "f32-512": (40, 32, 1), "f16-2k": (64, 16, 4), "f32-1k": (72, 32, 2),
}
MARKROOM = 64  # sectors behind the file system for marks

def image(path, geom):
    mib, bits, spc = GEOM[geom]
    if os.path.exists(path):
        os.unlink(path)
    subprocess.run(["mkfs.vfat", "-F", str(bits), "-s", str(spc), "-S", "512", "-n", "ESP", "-i", "11223344", "-C", path, str(mib * 1024)],
                   check=True, stdout=subprocess.DEVNULL)
    with open(path, "r+b") as f:
        f.truncate((mib << 20) + MARKROOM * 512)
        if os.environ.get("POWERCUT_STALE"):
            stale(f, spc)
    return (mib << 20) // 512

def stale(f, spc):
    """free clusters that hold what deleted boot files and directories have left: entries, images, slots of directories"""
    import random, struct
    b = f.read(512)
    res, nfat, rootents, fatsz = struct.unpack_from("<H", b, 14)[0], b[16], struct.unpack_from("<H", b, 17)[0], struct.unpack_from("<H", b, 22)[0] or struct.unpack_from("<I", b, 36)[0]
    start = (res + nfat * fatsz) * 512 + rootents * 32 + (0 if rootents else spc * 512)
    r = random.Random(5)
    entry = (b"title stale\nversion stale\nefi /EFI/xen/xen-stale.efi\noptions xen.efi -cfg=stale.cfg\n" + b"# stale\n" * 80)[:512]
    image = b"MZ" + b"STALE" * 102
    slot = lambda n, dir: (b"STALE%02d " % n) + (b"   \x10" if dir else b"EFI\x20") + bytes(8) + bytes(2) + bytes(4) + struct.pack("<HI", 3 + n, 0 if dir else 4096)
    slots = b"".join(slot(n, n == 3) for n in range(16))
    out = bytearray()
    while len(out) < (HEADROOM - start):
        out += r.choice((entry, image, slots)) * spc
    f.seek(start); f.write(out[:HEADROOM - start])

HEADROOM = 24 << 20

def xens(d):
    a, b = f"{d}/xenA.efi", f"{d}/xenB.efi"
    data = open(f"{vm.ASSETS}/xen.efi", "rb").read()
    open(a, "wb").write(data)
    # another Xen: one byte of its .rodata-ish tail differs
    o = data.rfind(b"Xen")
    open(b, "wb").write(data[:o] + b"XEN" + data[o + 3:])
    return a, b

def roots(d):
    """A: generations 1-3. B: 2-4, another Xen, other parameters, 1 gone. P: as A, but other parameters. G: as A, and 4 is new."""
    a, b = xens(d)
    # big enough that files take many clusters of 4 KiB
    k, i = b"KERNEL" * 12000, b"INITRD" * 30000
    scenario.make(f"{d}/A", [1, 2, 3], a, params=("old=1",), kernel=k, initrd=i)
    scenario.make(f"{d}/B", [2, 3, 4], b, params=("new=2",), salt="b", kernel=k, initrd=i)
    scenario.make(f"{d}/P", [1, 2, 3], a, params=("new=2", "dom0_mem=2048M"), kernel=k, initrd=i)
    scenario.make(f"{d}/G", [2, 3, 4], a, params=("old=1",), kernel=k, initrd=i)
    for r in "ABPG":
        e = f"{d}/{r}/boot"
        scenario.put(e + "/EFI/systemd/systemd-bootx64.efi", b"SYSTEMD-BOOT" * 9000)
        scenario.put(e + "/EFI/BOOT/BOOTX64.EFI", b"SYSTEMD-BOOT" * 9000)
        scenario.put(e + "/loader/entries.srel", "type1\n")
    os.unlink(a); os.unlink(b)

SWEEP = "sweep"  # what NixOS' installer does to images among its kernels

# name: (before: list of (root, layout or None, or SWEEP), after: (root, argument string), free bytes to leave or None)
def scenarios():
    s = {}
    for l in ("shared", "embedded", "unified"):
        s[f"first-{l}"] = ([("A", None)], ("A", f"install --layout {l}"), None)
        s[f"newgen-{l}"] = ([("A", l)], ("G", f"install --layout {l}"), None)
        s[f"newxen-{l}"] = ([("A", l)], ("B", f"install --layout {l}"), None)
        s[f"params-{l}"] = ([("A", l)], ("P", f"install --layout {l}"), None)
        s[f"full-{l}"] = ([("A", l)], ("B", f"install --layout {l}"), {"shared": 1500000, "embedded": 7000000, "unified": 3000000}[l])
        s[f"remove-{l}"] = ([("A", l)], ("A", "remove"), None)
    # the script's names are free, but the entries name images with hashes
    s["full-again-embedded"] = ([("A", "embedded"), ("P", "embedded")], ("B", "install --layout embedded"), 7000000)
    s["swept-embedded"] = ([("A", "embedded"), ("A", SWEEP)], ("A", "install --layout embedded"), None)
    # for comparison: what nixpkgs' script does (removes all, writes again, does not sync), and cp + sync in place
    s["compare-script"] = ([("A", "embedded")], ("P", "sh:as_script"), None)
    s["compare-script-sync"] = ([("A", "embedded")], ("P", "sh:as_script; sync"), None)
    s["compare-cpsync"] = ([("A", "embedded")], ("P", "sh:as_cp; sync"), None)
    s["switch-embedded-shared"] = ([("A", "embedded")], ("A", "install --layout shared"), None)
    s["switch-shared-unified"] = ([("A", "shared")], ("A", "install --layout unified"), None)
    s["switch-unified-embedded"] = ([("A", "unified")], ("A", "install --layout embedded"), None)
    s["switch-embedded-unified"] = ([("A", "embedded")], ("A", "install --layout unified"), None)
    return s

PRE = r"""
MO=${MO:-fmask=0077,dmask=0077,iocharset=iso8859-1}
mnt() { mount -t vfat -o $MO $1 /mnt; }
clean() { umount /mnt; }
x() { /w/xbb "$@"; }
new() { [ -d /w/new ] || { mkdir /w/new; cp -r /w/roots/P/boot/. /w/new; x --root /w/roots/P --esp /w/new --allow-unmounted --layout embedded install > /dev/null; }; }
as_script() {
  rm -f /mnt/loader/entries/xen-*.conf /mnt/EFI/nixos/xen-*.efi
  for g in 1 2 3; do cp /w/new/EFI/nixos/xen-generation-$g.efi /mnt/EFI/nixos/; cat /w/new/loader/entries/xen-generation-$g.conf > /mnt/loader/entries/xen-generation-$g.conf; done
  sed -i 's/^default nixos/default xen/' /mnt/loader/loader.conf
}
as_cp() {
  for g in 1 2 3; do cp /w/new/EFI/nixos/xen-generation-$g.efi /mnt/EFI/nixos/; cp /w/new/loader/entries/xen-generation-$g.conf /mnt/loader/entries/; done
  cp /w/new/loader/loader.conf /mnt/loader/
}
"""

def step(name, dev, fatsecs, pre, run, free, extra=""):
    """one scenario on one disk; marks start, end (the tool returned) and unmounted"""
    sh = f"echo '== {name}'\nmnt {dev}\n"
    for root, layout in pre:
        sh += f"/w/guest overlay /w/roots/{root}/boot /mnt; sync\n"
        if layout == SWEEP:
            sh += "rm -f /mnt/EFI/nixos/xen-*.efi; sync\n"
        elif layout:
            sh += f"x --root /w/roots/{root} --esp /mnt --layout {layout} --verbosity quiet install || echo 'PRE FAILED {name}'\n"
    root, args = run
    cmd = args if args.startswith("remove") else args + f" --root /w/roots/{root}"
    sh += f"/w/guest overlay /w/roots/{root}/boot /mnt; sync\n"
    # a second run by hand: loader.conf names Xen already; not right after NixOS' installer, which writes it
    if os.environ.get("POWERCUT_XENDEFAULT") and pre[0][1] not in (None, "unified") and pre[-1][1] != SWEEP:
        sh += "sed -i 's/^default .*/default xen-generation-3.conf/' /mnt/loader/loader.conf; sync\n"
    if free is not None:
        sh += f"/w/guest fill /mnt/filler {free}; sync\n"
    sh += f"umount /mnt\nmnt {dev}\n/w/guest tree /mnt > /out/{name}.before\n/w/guest df /mnt > /out/{name}.df\n{extra}"
    if args.startswith("sh:"):
        sh += "new\n"
    sh += f"/w/guest mark {dev} {fatsecs + 1} start\n"
    if args.startswith("sh:"):
        sh += f"{args[3:]} > /out/{name}.log 2>&1; echo \"exit $?\" >> /out/{name}.log\n"
    else:
        sh += f"x {cmd} --esp /mnt > /out/{name}.log 2>&1; echo \"exit $?\" >> /out/{name}.log\n"
    sh += f"/w/guest mark {dev} {fatsecs + 2} end\n"
    sh += f"/w/guest tree /mnt > /out/{name}.after\n"
    sh += f"umount /mnt\n/w/guest mark {dev} {fatsecs + 3} unmounted\n"
    return sh

def payload(d, tool):
    shutil.rmtree(d, ignore_errors=True)
    os.makedirs(d + "/roots")
    roots(d + "/roots")
    shutil.copy(f"{vm.WORK}/guest", d + "/guest")
    shutil.copy(tool, d + "/xbb")
