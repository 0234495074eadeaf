package bootbuilder_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

const (
	goldenKernel = "s8rigwp5m5z689d7b51k80r7qdnbbcwd-linux-6.12.58-bzImage.efi"
	goldenLabel  = "NixOS Xantusia 25.11.20251201.1f2e3d4 (Linux 6.12.58)"
	goldenDate   = ", built on 2025-12-02"
)

// installsAll wants these Xen entries, the default's last, and no error.
func installsAll(ids ...string) func(*testing.T, *golden) {
	return func(t *testing.T, g *golden) {
		g.wantOK(t)
		g.wantEntries(t, ids...)
		g.wantDefault(ids[len(ids)-1] + ".conf")
	}
}

// refuses wants the only generation left out, with one warning, and the ESP untouched.
func refuses(pattern string) func(*testing.T, *golden) {
	return func(t *testing.T, g *golden) {
		if g.run.Err == nil {
			t.Error("the default generation failed, but install did not")
		}
		g.wantWarning(t, pattern)
		g.untouched(t)
	}
}

func (g *golden) untouched(t *testing.T) {
	t.Helper()
	if d := diffTrees(g.before, g.trees()); d != "" {
		t.Errorf("the ESP changed:\n%s", d)
	}
}

// namesWhatTheEntryNames wants kernel= and ramdisk= to be what the NixOS entry names.
func namesWhatTheEntryNames(t *testing.T, g *golden) {
	g.wantOK(t)
	e, err := esp.ParseEntry([]byte(g.read("loader/entries/" + g.nixosEntry(t))))
	if err != nil {
		t.Fatal(err)
	}
	id := g.entries(t)[0]
	linux, _ := e.Get("linux")
	initrd, _ := e.Get("initrd")
	if kernel, _, _ := strings.Cut(g.key(t, id, "kernel"), " "); kernel != filepath.Base(linux) {
		t.Errorf("kernel=%s, the entry says %s", kernel, linux)
	}
	if ramdisk := g.key(t, id, "ramdisk"); ramdisk != filepath.Base(initrd) {
		t.Errorf("ramdisk=%s, the entry says %s", ramdisk, initrd)
	}
}

func (g *golden) nixosEntry(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(g.esp, "loader/entries/nixos-*.conf"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no NixOS entry: %v", err)
	}
	return filepath.Base(names[0])
}

// asRecordedBut wants the recording but for these files.
func (g *golden) asRecordedBut(t *testing.T, files map[string]string) {
	t.Helper()
	g.Recorded.Written = maps.Clone(g.Recorded.Written)
	for name, text := range files {
		w := g.Recorded.Written[name]
		if w.Config != nil {
			w.Config = &text
			raw := (len(text) + 31) / 32 * 32
			s := append(w.PE.Sections[:0:0], w.PE.Sections...)
			s[len(s)-1].VirtualSize, s[len(s)-1].RawSize = uint32(len(text)), uint32(raw)
			w.PE.Sections = s
		} else {
			w.Text = &text
		}
		g.Recorded.Written[name] = w
	}
	g.asRecorded(t)
}

// goldenInstead has a check for each case whose recording is a defect of the script.
var goldenInstead = map[string]func(*testing.T, *golden){
	"boot-json-truncated": func(t *testing.T, g *golden) {
		g.wantOK(t)
		g.wantWarning(t, `generation 2 is left out: .*boot\.json: `)
		g.wantEntries(t, "xen-generation-1", "xen-generation-3")
		g.wantDefault("xen-generation-3.conf")
	},
	"counted":      installsAll("xen-generation-4", "xen-generation-5"),
	"custom-store": namesWhatTheEntryNames,
	"default-gen-without-xen": func(t *testing.T, g *golden) {
		g.wantOK(t)
		g.wantEntries(t, "xen-generation-1")
		g.wantDefault("nixos-generation-2.conf")
		report := g.run.Report
		if gen := report.Generations[1]; !gen.Default || gen.Reason != "no-extension" {
			t.Errorf("the report does not say why: %+v", gen)
		}
	},
	"efi-nixos-missing": func(t *testing.T, g *golden) {
		g.wantOK(t)
		g.wantEntries(t, "xen-generation-1")
		g.copiedFromStore(t)
	},
	"esp-kernel-missing": func(t *testing.T, g *golden) {
		g.wantOK(t)
		g.wantEntries(t, "xen-generation-1")
		g.copiedFromStore(t)
	},
	"empty-kernel-params": func(t *testing.T, g *golden) {
		image := "EFI/nixos/xen-generation-1.efi"
		config := *g.Recorded.Written[image].Config
		if !strings.Contains(config, "/init \n") {
			t.Fatalf("the recording has no blank at the end of the kernel line:\n%s", config)
		}
		g.asRecordedBut(t, map[string]string{image: strings.Replace(config, "/init \n", "/init\n", 1)})
	},
	"entry-crlf": func(t *testing.T, g *golden) {
		entry := "loader/entries/xen-generation-1.conf"
		g.asRecordedBut(t, map[string]string{
			entry: entryText("NixOS", "Generation 1 "+goldenLabel+goldenDate, "xen-generation-1"),
		})
	},
	"entry-name-special": func(t *testing.T, g *golden) {
		id := "xen-a&b_$x[1]-generation-2"
		g.wantOK(t)
		g.wantEntries(t, id)
		conf := esp.ParseLoaderConf([]byte(g.read("loader/loader.conf")))
		value, _ := conf.Get("default")
		if !esp.MatchPattern(value, id+".conf") || esp.MatchPattern(value, "xen-a&b_$x1-generation-2.conf") {
			t.Errorf("default %q does not match its entry alone", value)
		}
	},
	"entry-no-title": func(t *testing.T, g *golden) {
		g.wantOK(t)
		want := unpadded(entryText("NixOS", "Generation 1 "+goldenLabel, "xen-generation-1"))
		if d := cmp.Diff(want, g.read("loader/entries/xen-generation-1.conf")); d != "" {
			t.Error(d)
		}
	},
	"entry-subdir": installsAll("xen-generation-1"),
	"entry-title-twice": func(t *testing.T, g *golden) {
		g.wantOK(t)
		text := g.read("loader/entries/" + g.nixosEntry(t))
		e, err := esp.ParseEntry([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		titles := e.All("title")
		ours := g.read("loader/entries/xen-generation-1.conf")
		if want := "title " + titles[len(titles)-1] + " (with Xen Hypervisor)\nversion "; !strings.HasPrefix(ours, want) {
			t.Errorf("entry starts with %q, want %q", ours, want)
		}
	},
	"entry-upper-name":   installsAll("xen-generation-1", "xen-generation-2"),
	"entry-upper-suffix": installsAll("xen-generation-1", "xen-generation-2"),
	// What refuses the directory is the command: TestScripts in cmd/xen-boot-builder.
	"esp-empty": func(t *testing.T, g *golden) {
		g.wantOK(t)
		g.untouched(t)
	},
	"ext-name-in-label": func(t *testing.T, g *golden) {
		g.wantOK(t)
		g.untouched(t)
	},
	// The recording's input lacks the second initrd: first it is missing, then it is there.
	"hash-extra-initrd": func(t *testing.T, g *golden) {
		refuses(`left out: .*microcode\.img`)(t, g)
		extra := filepath.Join(g.esp, "EFI/nixos/.extra-files/microcode.img")
		if err := os.MkdirAll(filepath.Dir(extra), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(extra, []byte("microcode"), 0o644); err != nil {
			t.Fatal(err)
		}
		g.run = g.tryInstall()
		g.wantOK(t)
		ramdisk := g.key(t, g.entries(t)[0], "ramdisk")
		name := strings.ReplaceAll(strings.TrimPrefix(ramdisk, `\`), `\`, "/")
		if got, want := g.read(name), "fake initrd -1\n\x00microcode"; got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	},
	"hash-secrets":  namesWhatTheEntryNames,
	"image-aarch64": namesWhatTheEntryNames,
	"initrd-missing": func(t *testing.T, g *golden) {
		installsAll("xen-generation-1", "xen-generation-2")(t, g)
		if config := g.config(t, "xen-generation-2"); strings.Contains(config, "ramdisk") {
			t.Errorf("xen.cfg has a ramdisk:\n%s", config)
		}
	},
	"initrd-symlink":       namesWhatTheEntryNames,
	"kernel-deep":          namesWhatTheEntryNames,
	"kernel-param-newline": refuses(`(?s)left out: .*kernelParams\[\d\]`),
	// systemd-boot doesn't list what is no image, so it is nobody's default.
	"lanzaboote-only": func(t *testing.T, g *golden) {
		g.wantOK(t)
		g.wantWarning(t, `\.efi: .*PE`)
		g.untouched(t)
	},
	"loader-default-indented":  installsAll("xen-generation-1"),
	"loader-default-no-suffix": installsAll("xen-generation-1"),
	"loader-default-tab":       installsAll("xen-generation-1"),
	"loader-default-twice":     installsAll("xen-generation-1"),
	"loader-default-upper":     installsAll("xen-generation-1"),
	"loader-missing": func(t *testing.T, g *golden) {
		g.wantOK(t)
		g.wantEntries(t, "xen-generation-1")
		g.wantWarning(t, `loader\.conf is missing`)
	},
	"no-machine-id": func(t *testing.T, g *golden) {
		entry := "loader/entries/xen-generation-1.conf"
		text := entryText("NixOS", "Generation 1 "+goldenLabel+goldenDate, "xen-generation-1")
		text = strings.Replace(text, "machine-id 5e4b2c9d1f7a4e0c8b3d6a9f0e1c2d3b\n", "", 1)
		g.asRecordedBut(t, map[string]string{entry: text})
	},
	"options-init-late": installsAll("xen-generation-1"),
	"options-tab":       installsAll("xen-generation-1"),
	"options-twice-init": func(t *testing.T, g *golden) {
		g.wantOK(t)
		g.wantWarning(t, `generation 2 is left out: .* names /bin/sh-not, which no profile link of .* leads to`)
		g.wantEntries(t, "xen-generation-1")
		g.wantDefault("nixos-generation-2.conf")
	},
	"param-with-init-path": installsAll("xen-generation-1", "xen-generation-2"),
	"params-missing": func(t *testing.T, g *golden) {
		installsAll("xen-generation-1", "xen-generation-2")(t, g)
		if options := g.key(t, "xen-generation-2", "options"); options != "" {
			t.Errorf("options=%s, want none", options)
		}
	},
	"params-null":   refuses(`left out: .*org\.xenproject\.bootspec\.v2\.params`),
	"spec-only-xen": func(t *testing.T, g *golden) { g.specOnlyXen(t) },
	"special-chars": refuses(`left out: Xen parameter "a\\tb": `),
	"stale-all-gone-default-xen": func(t *testing.T, g *golden) {
		g.wantOK(t)
		g.wantEntries(t)
		g.wantDefault("nixos-generation-3.conf")
	},
	"uki-entry": func(t *testing.T, g *golden) {
		g.wantOK(t)
		wantMatches(t, warnings(g.run.Report), `left out: .*uki\.efi`)
		g.untouched(t)
	},
	"version-sort-mixed": func(t *testing.T, g *golden) {
		g.withoutCounter(t, "xen-generation-10+3", "xen-generation-10")
		g.asRecorded(t)
	},
	"xen-has-config": refuses(`left out: .*\.config`),
	"xen-not-pe":     refuses(`left out: .*xen-4\.20\.2\.efi`),
	"xen-path-missing": func(t *testing.T, g *golden) {
		if g.run.Err == nil {
			t.Error("the default generation failed, but install did not")
		}
		g.wantWarning(t, `generation 2 is left out: .*\.efi: no such file`)
		g.wantEntries(t, "xen-generation-1")
	},
	"xen-path-pad": installsAll("xen-generation-1"),
}

// copiedFromStore wants kernel and initrd in our directory, under their store names.
func (g *golden) copiedFromStore(t *testing.T) {
	t.Helper()
	kernel, _, _ := strings.Cut(g.key(t, "xen-generation-1", "kernel"), " ")
	if want := `\EFI\xen\` + goldenKernel; kernel != want {
		t.Errorf("kernel=%s, want %s", kernel, want)
	}
	if got := g.read("EFI/xen/" + goldenKernel); got != "fake kernel 6.12.58\n" {
		t.Errorf("the copied kernel holds %q", got)
	}
}

func (g *golden) specOnlyXen(t *testing.T) {
	g.wantOK(t)
	g.wantEntries(t, "xen-generation-3", "xen-generation-4-specialisation-xen")
	g.wantDefault("nixos-generation-4.conf") // it has no Xen itself
}

// withoutCounter renames what the recording calls by a counted id.
func (g *golden) withoutCounter(t *testing.T, counted, id string) {
	t.Helper()
	written := maps.Clone(g.Recorded.Written)
	for name, w := range g.Recorded.Written {
		if !strings.Contains(name, counted) {
			continue
		}
		delete(written, name)
		if w.Text != nil {
			text := strings.ReplaceAll(*w.Text, counted, id)
			w.Text = &text
		}
		written[strings.ReplaceAll(name, counted, id)] = w
	}
	g.Recorded.Written = written
}
