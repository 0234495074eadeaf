"""judge.py - is what a power cut left as good as promised? Works on trees that `replay` read from the FAT."""
import fnmatch, os, re, sys
import espcheck

OURS = re.compile(r"(EFI/xen(/.*)?|loader/entries/xen-[^/]*|EFI/Linux/xen-[^/]*|EFI/nixos/xen-[^/]*|loader/loader\.conf|filler|.*\.xen-boot-builder-\d+\.tmp|EFI/Linux)$", re.I)

def files(tree):
    return {n["Name"]: n for n in tree if not n["Dir"]}

def text(d, name):
    try:
        return open(os.path.join(d, name), encoding="latin1").read()
    except OSError:
        return None

def norm(t):
    """a text without what no reader of it minds: blank lines, blanks at a line's end"""
    return None if t is None else "\n".join(l.rstrip() for l in t.replace("\0", "").splitlines() if l.strip())

SMALL = re.compile(r"\.(conf|cfg)$", re.I)

class Judge:
    """before, after: trees; dirs: where their files' contents are"""
    def __init__(self, before, after, dirs=()):
        self.before, self.after = files(before), files(after)
        self.dirs = {n["Name"].lower() for t in (before, after) for n in t if n["Dir"]}
        self.known, self.texts, self.dir, self.excused = {}, {}, None, set()
        for d, t in zip(dirs, (self.before, self.after)):
            for n in t:
                if SMALL.search(n):
                    self.texts.setdefault(n.lower(), set()).add(norm(text(d, n)))
        for t in (self.before, self.after):
            for n, f in t.items():
                self.known.setdefault(n.lower(), set()).add(f["Sum"])
        self.sums = {s for k in self.known.values() for s in k}
        # entries that could not boot before: they may go on naming what is missing, or no program yet
        if dirs:
            self.excused = set(self.entries(before, dirs[0])[1])

    def whole(self, f):
        """None, or what is wrong with a file"""
        if f is None:
            return "missing"
        if f["Sum"] in ("EMPTY", "NOSTART"):
            return "empty"
        if f["Sum"] == "EIO":
            return "chain cut"
        if f["Sum"] not in self.known.get(f["Name"].lower(), ()) and not self.sametext(f):
            # a short name stays where the sector with the long one is lost: not ours any more for the tool, but whole
            if re.search(r"~\d+\.\w{3}$", f["Name"]) and f["Sum"] in self.sums and not f["Status"]:
                return "left under its short name"
            return "garbage"
        if "xlink" in f["Status"]:
            return "cross-linked"
        if f["Status"].startswith("free"):
            return "clusters marked free"
        return None

    def sametext(self, f):
        """a small file that says what it said before or says after, padding aside"""
        if not self.dir or not SMALL.search(f["Name"]):
            return False
        t, known = norm(text(self.dir, f["Name"])), self.texts.get(f["Name"].lower(), ())
        if f["Name"].lower() == "loader/loader.conf":  # may start something else for a while; what, is judged by itself
            cut = lambda s: re.sub(r"(?m)^(default|preferred)\s.*$", "", s or "")
            return cut(t) in {cut(k) for k in known}
        return t in known

    def noentry(self, d, n):
        """a file that systemd-boot passes over: an entry that starts nothing, an image without a PE header yet"""
        if n.lower().endswith(".conf"):
            return not re.search(r"^\s*(efi|linux|uki)\s", text(d, n) or "", re.M)
        try:
            return open(os.path.join(d, n), "rb").read(2) != b"MZ"
        except OSError:
            return False

    def entries(self, tree, d):
        """the Xen entries that are whole, and those that are not: name -> (kind, detail)"""
        self.dir = d
        fs = files(tree)
        low = {n.lower(): f for n, f in fs.items()}
        ok, broken = {}, {}
        for n in sorted(fs):
            m = re.match(r"loader/entries/(xen-.*\.conf)$", n, re.I)
            if m:
                w = self.whole(fs[n])
                if w and not fs[n]["Status"] and self.noentry(d, n):
                    continue
                if w:
                    broken[m[1]] = ("entry file " + w, n); continue
                for ref, what in self.refs(d, n):
                    w = self.whole(low.get(ref.lower()))
                    if m[1] in self.excused and (w == "missing" or w and w != "clusters marked free" and self.noentry(d, low[ref.lower()]["Name"])):
                        break
                    if w:
                        broken[m[1]] = (f"entry names {what} that is {w}", ref); break
                else:
                    ok[m[1]] = 1
            m = re.match(r"EFI/Linux/(xen-.*\.efi)$", n, re.I)
            if m:
                w = self.whole(fs[n])
                if w and w != "clusters marked free" and self.noentry(d, n):
                    continue
                if w:
                    broken[m[1]] = ("unified image " + w, n)
                else:
                    ok[m[1]] = 1
        return ok, broken

    def judge(self, tree, d):
        """list of (kind, detail)"""
        self.dir = d
        fs = files(tree)
        low = {n.lower(): f for n, f in fs.items()}
        bad = []
        # 1. NixOS' own files, byte for byte
        for n, f in self.before.items():
            if OURS.match(n):
                continue
            g = low.get(n.lower())
            if g is None or g["Sum"] != f["Sum"] or g["Status"]:
                bad.append(("a file of NixOS is harmed", f"{n}: {self.whole(g)}"))
        making = [n["Name"].lower() for n in tree if n["Dir"] and n["Name"].lower() not in self.dirs]
        for n in tree:
            if any(n["Name"].lower() == m or n["Name"].lower().startswith(m + "/") for m in making):
                continue  # a directory in the making, of neither before nor after: nothing names it
            if n["Dir"] and n["Status"]:
                bad.append(("a directory is harmed", f"{n['Name']}: {n['Status']}"))
        # 2. each Xen entry, and what it names
        ok, broken = self.entries(tree, d)
        for e, (k, x) in broken.items():
            bad.append((k, x))
        probs, _ = espcheck.check(d)
        self.espcheck = probs
        # 3. generations of before and after that have no whole entry now
        gen = lambda names: {re.sub(r"(-[0-9a-f]{16})?\.(conf|efi)$", "", os.path.basename(n)) for n in names}
        entries = lambda t: [n for n in t if re.match(r"(loader/entries/xen-.*\.conf|EFI/Linux/xen-.*\.efi)$", n, re.I)]
        for g in sorted((gen(entries(self.before)) - gen(self.excused)) & gen(entries(self.after)) - gen(ok)):
            bad.append(("a Xen generation of before and after has no whole entry", g))
        # 4. loader.conf and the default
        w = self.whole(low.get("loader/loader.conf"))
        if w:
            bad.append(("loader.conf " + w, "loader/loader.conf"))
        if w and w != "clusters marked free":
            bad.append(("default lost: systemd-boot chooses", w))
        else:
            m = re.findall(r"^default\s+(\S+)", text(d, "loader/loader.conf") or "", re.M)
            v = m[-1] if m else ""
            v = re.sub(r"\[(.)\]", r"\1", v) if re.fullmatch(r"(\[.\]|[^*?\[\]])*", v) else v
            nix = [os.path.basename(n) for n in fs if re.match(r"loader/entries/nixos-.*\.conf$", n, re.I) and not self.whole(fs[n])]
            if v.startswith("xen-"):
                if not any(fnmatch.fnmatch(n.lower(), v.lower()) for n in ok):
                    kind = "broken" if any(fnmatch.fnmatch(n.lower(), v.lower()) for n in broken) else "missing"
                    bad.append((f"DEFAULT ENTRY {kind}", f"default {v}: " + "; ".join(k for k, _ in broken.values())[:80]))
            elif v and not any(fnmatch.fnmatch(n.lower(), v.lower()) for n in nix):
                bad.append(("DEFAULT ENTRY missing", f"default {v}"))
        return bad

    def refs(self, d, entry):
        f = dict(espcheck.fields(text(d, entry) or ""))
        img = f.get("efi", "").lstrip("/")
        out = [(img, "an image")]
        m = re.search(r"-cfg=(\S+)", f.get("options", ""))
        if m:
            c = os.path.dirname(img) + "/" + m.group(1)
            out.append((c, "a xen.cfg"))
            t = text(d, c) or ""
        else:
            try:
                t = espcheck.sections(open(os.path.join(d, img), "rb").read()).get(".config", b"").decode("latin1")
            except Exception:
                t = ""
        for k, v in re.findall(r"^(kernel|ramdisk)=(\S+)", t, re.M):
            v = v.replace("\\", "/")
            out.append((v.lstrip("/") if v.startswith("/") else os.path.dirname(img) + "/" + v, "a " + k))
        return out
