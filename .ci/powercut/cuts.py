#!/usr/bin/env python3
"""cuts.py TOOL [--only REGEX] [--geom GEOM] [--samples N] [--writeback] [--repair N] - power cuts on a real vfat.

Runs every scenario in a VM, then examines every state that a cut may leave. Exit 1 where one breaks a promise.
"""
import argparse, collections, concurrent.futures as cf, filecmp, json, os, re, shutil, subprocess, sys
import vm, scen, judge

def compare(tree, want, img):
    """what differs from the undisturbed end, but for directories and the padding of small texts"""
    a, b = judge.files(tree), judge.files(want)
    for n in set(a) & set(b):
        if a[n]["Sum"] != b[n]["Sum"] and "Norm" in b[n] and not a[n].get("Status"):
            t = subprocess.run(["mtype", "-i", img, "::/" + n], capture_output=True, text=True, encoding="latin1").stdout
            if judge.norm(t) == b[n]["Norm"]:
                a[n] = dict(a[n], Sum=b[n]["Sum"])
    a = {n: f for n, f in a.items() if not re.fullmatch(r"FSCK\d+\.REC", n)}  # fsck.vfat -a makes these of lost clusters
    return [f"{n}: {a.get(n, {}).get('Sum')} {a.get(n, {}).get('Status', '')} != {b.get(n, {}).get('Sum')}" for n in sorted(set(a) | set(b))
            if (a.get(n, {}).get("Sum"), a.get(n, {}).get("Status")) != (b.get(n, {}).get("Sum"), b.get(n, {}).get("Status"))]

def run(args):
    """a run of the tool that ends, or subprocess.TimeoutExpired"""
    q = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        q.stdout, q.stderr = q.communicate(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(q.pid, 9); q.communicate()
        raise
    return q

def examine(args):
    name, img, n, samples, tool, root, cmd, repair, keep = args
    o = f"{img}.states"
    shutil.rmtree(o, ignore_errors=True)
    r = subprocess.run([f"{vm.WORK}/replay", "-base", img + ".base", "-log", img + ".log", "-fatsectors", str(n), "-samples", str(samples),
                        "-images", "120", "-out", o], capture_output=True, text=True)
    if r.returncode:
        return name, None, r.stdout + r.stderr
    st = json.load(open(o + "/states.json"))
    first_, last_ = st["distinct"][0], [d for d in st["distinct"] if "final" in d["Phases"]][0]
    before, final = first_["Tree"], last_["Tree"]
    for n in final:
        if not n["Dir"] and judge.SMALL.search(n["Name"]):
            n["Norm"] = judge.norm(judge.text(f"{o}/tree/{last_['ID']}", n["Name"]))
    j = judge.Judge(before, final, [f"{o}/tree/{x['ID']}" for x in (first_, last_)])
    kinds, prefix, trees, example, viol, cut, esp = collections.Counter(), collections.Counter(), collections.Counter(), {}, 0, 0, 0
    refused = 0
    fsck, fixed, fixbad, phases = collections.Counter(), 0, collections.Counter(), collections.defaultdict(collections.Counter)
    modes = collections.Counter()
    badids = []
    hung = []
    # images for fsck and the next run: one of each kind of finding, then others
    def judged(d):
        bad = j.judge(d["Tree"], f"{o}/tree/{d['ID']}")
        # where what is stale goes first for want of room, entries may be missing for a while
        return [x for x in bad if not (name.startswith("full-") and x[0].startswith("a Xen generation of"))]
    verdict = {d["ID"]: judged(d) for d in st["distinct"]}
    first = {}
    for d in st["distinct"]:
        for k, _ in verdict[d["ID"]] or [("fine", "")]:
            first.setdefault(k, d["ID"])
    chosen = list(dict.fromkeys(list(first.values()) + list(verdict)))[:repair]
    for d in st["distinct"]:
        tree = f"{o}/tree/{d['ID']}"
        total = sum(d["Modes"].values())
        bad = verdict[d["ID"]]
        esp += total if judge.espcheck.check(tree)[0] else 0
        if bad:
            viol += total; badids.append(d["ID"])
            for m, c in d["Modes"].items():
                modes[m] += c
        for k in {k for k, _ in bad}:
            kinds[k] += total; trees[k] += 1
            prefix[k] += d["Modes"].get("prefix", 0) + d["Modes"].get("torn", 0)
            for p, c in d["Phases"].items():
                phases[k][p] += c
            example.setdefault(k, f"{d['First']} ({next(x for q, x in bad if q == k)})")
        i = f"{o}/img/{d['ID']}.img"
        if os.path.exists(i) and d["ID"] in chosen:
            f = subprocess.run(["fsck.vfat", "-n", i], capture_output=True, text=True)
            seen = set()
            for l in f.stdout.splitlines()[1:]:
                l = l.strip()
                for pat in ("Start does point to root directory", "Cluster .* free", "free cluster", "Contains a free cluster", "Reclaimed", "Orphan", "Unused clusters", "shares? cluster", "Free cluster summary", "Dirty bit", "differences between boot", "FATs differ", "File size is", "zero", "Orphaned long", "long file name", "Bad short", "Duplicate"):
                    if re.search(pat, l):
                        seen.add(pat)
            for s in seen:
                fsck[s] += 1
            fsck["exit %d" % f.returncode] += 1
            if d["ID"] in chosen and "final" not in d["Phases"]:
                w = f"{o}/repair.img"
                subprocess.run(["cp", "--sparse=always", i, w], check=True)
                if cmd.startswith("sh:"):
                    os.unlink(w); continue
                a = [tool, *cmd.split()] + ([] if cmd.startswith("remove") else ["--root", root]) + ["--esp-image", w]
                try:
                    q, advised = run(a), False
                    if q.returncode and "hint: repair the file system first: fsck.vfat -a" in q.stderr:
                        # an image with a damaged chain is refused as it is; what the hint says has to be enough
                        advised = True
                        changed = not filecmp.cmp(i, w, shallow=False)
                        subprocess.run(["fsck.vfat", "-a", w], capture_output=True)
                        q = run(a)
                except subprocess.TimeoutExpired:
                    fixed += 1; fixbad["hangs (15 s)"] += 1; hung.append(d["ID"])
                    continue
                t = json.loads(subprocess.run([f"{vm.WORK}/replay", "-list", w], capture_output=True, text=True).stdout)
                diff = compare(t, final, w)
                fixed += 1; refused += advised
                if advised and changed:
                    fixbad["refused, and changed all the same"] += 1
                if q.returncode and "no room on" in q.stderr and "FSCK" in q.stderr:
                    continue  # clusters were lost on a full disk: the error says what to do
                if q.returncode or diff:
                    m = re.sub(r"/\S+/", "", (q.stderr.strip().splitlines() or [""])[0])[:110]
                    fixbad[f"exit {q.returncode} {m}" if q.returncode else "differs: " + re.sub(r"^.*/", "", diff[0])[:80]] += 1
                os.unlink(w)
    total = sum(st["states"].values())
    res = dict(name=name, states=total, by=st["states"], writes=st["writes"], flushes=st["flushes"], distinct=len(st["distinct"]), violating=viol, modes=modes,
               kinds=kinds, prefix=prefix, trees=trees, example=example, espcheck=esp, fsck=fsck, repaired=fixed, refused=refused, notrepaired=fixbad, phases=phases, badids=badids, hung=hung)
    if keep == 0:
        shutil.rmtree(o)
    else:
        sample = {}
        for d in st["distinct"]:
            for k, _ in verdict[d["ID"]] or [("fine", "")]:
                sample.setdefault(k, d["ID"])
        # harmless states are what the next run meets most often: as many as asked for, spread over the run
        rest = [d["ID"] for d in st["distinct"] if d["ID"] and d["ID"] not in sample.values() and "final" not in d["Phases"] and os.path.exists(f"{o}/img/{d['ID']}.img")]
        for i in rest[::max(1, len(rest) // keep)][:keep]:
            sample[f"fine {i}: {st['distinct'][i]['First']}"] = i
        json.dump({"final": final, "sample": sample, "cmd": cmd, "root": root, "before": before}, open(o + "/sample.json", "w"))
        for x in os.listdir(o + "/img"):
            if int(x.split(".")[0]) not in sample.values():
                os.unlink(f"{o}/img/{x}")
        shutil.rmtree(o + "/blob"); shutil.rmtree(o + "/tree")
    os.unlink(img); os.unlink(img + ".base"); os.unlink(img + ".log")
    return name, res, r.stdout

def main():
    p = argparse.ArgumentParser()
    p.add_argument("tool"); p.add_argument("--only", default=""); p.add_argument("--geom", default="f32-4k"); p.add_argument("--samples", type=int, default=300)
    p.add_argument("--writeback", action="store_true"); p.add_argument("--repair", type=int, default=40); p.add_argument("--tag", default="cuts"); p.add_argument("--keep", type=int, default=0)
    p.add_argument("--json", default=""); p.add_argument("--reuse", action="store_true"); p.add_argument("--compare", action="store_true")
    a = p.parse_args()
    vm.prep()
    pay = f"{vm.WORK}/{a.tag}.pay"
    if not a.reuse:
        scen.payload(pay, a.tool)
    sh, disks, jobs = scen.PRE, [], []
    if a.writeback:
        sh += "echo 1 > /proc/sys/vm/dirty_writeback_centisecs; echo 1 > /proc/sys/vm/dirty_expire_centisecs\n"
    for name, (pre, run, free) in scen.scenarios().items():
        if not re.search(a.only, name) or not a.only and name.startswith("compare-") and not a.compare:
            continue
        geom = "f16-2k" if free is not None and a.geom == "f32-4k" else a.geom
        img = f"{vm.WORK}/{a.tag}.{name}.img"
        n = (scen.GEOM[geom][0] << 20) // 512
        if not a.reuse:
            scen.image(img, geom)
            subprocess.run(["cp", "--sparse=always", img, img + ".base"], check=True)
        dev = f"$D{len(disks)}"
        disks.append((img, img + ".log"))
        sh += scen.step(name, dev, n, pre, run, free)
        jobs.append((name, img, n, a.samples if free is None else a.samples // 2, a.tool, f"{pay}/roots/{run[0]}", run[1], a.repair, a.keep))
    if a.reuse:
        out, con = f"{vm.WORK}/{a.tag}.out", "VM-DONE"
        jobs = [j for j in jobs if os.path.exists(j[1] + ".log")]
    else:
        con, out, err = vm.run(sh, pay, disks, tag=a.tag, timeout=1800, mem=6144)
    if "VM-DONE" not in con:
        print(con[-3000:], err); sys.exit(2)
    for l in con.splitlines():
        if "FAILED" in l or "can't" in l:
            print("guest:", l)
    worst, all_ = 0, []
    if not jobs:
        print("no scenario"); sys.exit(2)
    with cf.ProcessPoolExecutor(2) as ex:
        for fu in cf.as_completed([ex.submit(examine, x) for x in jobs]):
            name, r, log = fu.result()
            ex_ = open(f"{out}/{name}.log").read().strip().splitlines()
            if r is None:
                print(f"## {name}: replay failed: {log}"); worst = 2; continue
            all_.append(r)
            print(f"## {name}: {ex_[-1] if ex_ else '?'}; {r['writes']} writes, {r['flushes']} flushes, {r['states']} states, {r['distinct']} distinct trees; "
                  f"{r['violating']} states in violation ({dict(r['modes'])}), espcheck {r['espcheck']}; repaired {r['repaired'] - sum(r['notrepaired'].values())}/{r['repaired']}, "
                  f"{r['refused']} of them after fsck.vfat -a, as the error says")
            for k, c in r["kinds"].most_common():
                print(f"     {c:6d} states ({r['prefix'][k]} prefixes, {r['trees'][k]} trees; {dict(r['phases'][k])}) {k}; first: {r['example'][k]}")
            for k, c in r["notrepaired"].most_common(5):
                print(f"     not repaired {c}: {k}")
            print(f"     fsck.vfat -n: {dict(r['fsck'])}")
            sys.stdout.flush()
            worst = max(worst, 1 if (r["violating"] or r["notrepaired"]) and not name.startswith("compare-") else 0)
    tot = collections.Counter()
    all_ = [r for r in all_ if not r["name"].startswith("compare-")] or all_
    for r in all_:
        tot["states"] += r["states"]; tot["violating"] += r["violating"]; tot["prefix states"] += r["by"].get("prefix", 0) + r["by"].get("torn", 0)
        tot["prefix violating"] += r["modes"]["prefix"] + r["modes"]["torn"]
    kinds = collections.Counter()
    for r in all_:
        kinds.update(r["kinds"])
    print("TOTAL", dict(tot)); print("KINDS", dict(kinds.most_common()))
    if a.json:
        json.dump(all_, open(a.json, "w"), indent=1)
    sys.exit(worst)

if __name__ == "__main__":
    main()
