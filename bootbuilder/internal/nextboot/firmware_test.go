package nextboot_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// installedLoader is systemd-boot as Debian's package has it.
const installedLoader = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"

// loaders are the systemd-boot programs to ask, by version: the installed one, and those that
// XBB_SYSTEMD_BOOT names, a list of files with colons between.
func loaders(t *testing.T) map[string]string {
	t.Helper()
	if testing.Short() {
		t.Skip("it boots systemd-boot in QEMU")
	}
	firmware.NeedChoose(t)
	firmware.Need(t, installedLoader)
	files := map[string]string{}
	for _, file := range append([]string{installedLoader}, filepath.SplitList(os.Getenv("XBB_SYSTEMD_BOOT"))...) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, after, ok := strings.Cut(string(b), "#### LoaderInfo: systemd-boot ")
		version, _, end := strings.Cut(after, " ####")
		if !ok || !end {
			t.Fatalf("%s does not say its version", file)
		}
		name, _, _ := strings.Cut(version, "-")
		files[name] = file
	}
	return files
}

// writeMenu makes an ESP tree that has these entries.
func writeMenu(t *testing.T, dir string, menu []nextboot.Entry) {
	t.Helper()
	write := func(name string, b []byte) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("EFI/nixos/image.efi", []byte("replaced"))
	for _, e := range menu {
		if strings.HasSuffix(e.File, ".efi") {
			osrel := "NAME=x\n"
			for key, value := range map[string]string{"ID": e.SortKey, "VERSION_ID": e.Version} {
				if value != "" {
					osrel += fmt.Sprintf("%s=\"%s\"\n", key, value)
				}
			}
			write("EFI/Linux/"+e.File, fixtures.PE(fixtures.Section{Name: ".osrel", Data: []byte(osrel)}))
			continue
		}
		text := "title x\n"
		for key, value := range map[string]string{"sort-key": e.SortKey, "version": e.Version, "machine-id": e.MachineID} {
			if value != "" {
				text += key + " " + value + "\n"
			}
		}
		key := "linux"
		if e.Kind == nextboot.XenEntry {
			key = "efi"
		}
		image := "/EFI/nixos/image.efi"
		if e.Hidden {
			image = "/EFI/nixos/missing.efi"
		}
		write("loader/entries/"+e.File, []byte(text+key+" "+image+"\n"))
	}
}

// ask lets every loader choose for every question, and compares with the model.
func ask(t *testing.T, menu []nextboot.Entry, questions []firmware.Choice) {
	t.Helper()
	files := loaders(t)
	dir := t.TempDir()
	writeMenu(t, dir, menu)
	var choices []firmware.Choice
	for name := range files {
		for _, q := range questions {
			q.Loader = name
			choices = append(choices, q)
		}
	}
	ids, err := firmware.Choose(t.Context(), dir, files, choices)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range choices {
		vars := nextboot.Vars{OneShot: c.OneShot, Preferred: c.Preferred, Default: c.Default, LastBooted: c.LastBooted}
		got := nextboot.Starts([]byte(c.Conf), vars, menu, nextboot.ParseVersion(c.Loader))
		want := ids[i]
		// The selected entry is named after it was counted down, by the id it had before.
		if got.ID != want {
			t.Errorf("systemd-boot %s, %q, %+v: the model says %q (%s), it starts %q",
				c.Loader, c.Conf, vars, got.ID, got.Reason(), want)
		}
		if os.Getenv("XBB_SHOW") != "" {
			t.Logf("%s %q %+v: %s", c.Loader, c.Conf, vars, want)
		}
	}
	t.Logf("%d questions to %d versions of systemd-boot", len(questions), len(files))
}

func gen(n int, more string) string { return fmt.Sprintf("Generation %d NixOS %s", n, more) }

const hash1 = "ea0c3e29ff9305d27256391cad8fd743c85c775e527f4faabbd27ac0cee1a1bb"

// variedMenu has every shape of entry that decides an order.
func variedMenu() []nextboot.Entry {
	n, s := nextboot.NixOS, nextboot.Stub
	x, u, o := nextboot.XenEntry, nextboot.XenImage, nextboot.Other
	return []nextboot.Entry{
		{File: "nixos-generation-7.conf", Kind: n, SortKey: "nixos", Version: gen(7, "a, built on 2026-01-01"), MachineID: "b"},
		{File: "xen-generation-7.conf", Kind: x, SortKey: "nixos", Version: gen(7, "a, built on 2026-01-01"), MachineID: "b"},
		{File: "nixos-generation-10.conf", Kind: n, SortKey: "nixos", Version: gen(10, "a, built on 2026-02-01"), MachineID: "b"},
		{File: "nixos-generation-10-specialisation-s.conf", Kind: n, SortKey: "nixos", Version: gen(10, "a, built on 2026-02-01"), MachineID: "b"},
		{File: "xen-generation-10.conf", Kind: x, SortKey: "nixos", Version: gen(10, "a, built on 2026-02-01"), MachineID: "b"},
		{File: "xen-generation-11.conf", Kind: x, SortKey: "nixos", Version: gen(11, "a"), MachineID: "b", Hidden: true},
		{File: "nixos-" + hash1 + "+3.conf", Kind: n, SortKey: "nixos", Version: gen(12, "a, built on 2026-02-01"), MachineID: "b"},
		{File: "xen-" + hash1 + ".conf", Kind: x, SortKey: "nixos", Version: gen(12, "a, built on 2026-02-01"), MachineID: "b"},
		{File: "nixos-generation-13+0-3.conf", Kind: n, SortKey: "nixos", Version: gen(13, "a"), MachineID: "b"},
		{File: "xen-generation-13-AAAA+0-2.efi", Kind: u, SortKey: "nixos", Version: gen(13, "a")},
		{File: "xen-generation-14-aaaa+2.efi", Kind: u, SortKey: "nixos", Version: gen(14, "a")},
		{File: "nixos-generation-14-abcd.efi", Kind: s, SortKey: "lanza", Version: "Generation 14, 2026-03-01"},
		{File: "nixos-generation-14-specialisation-t-abcd.efi", Kind: s, SortKey: "lanza", Version: "Generation 14-t, 2026-03-01"},
		{File: "xen-rescue.conf", Kind: o},
		{File: "memtest.conf", Kind: o, SortKey: "zz"},
	}
}

// confs are shapes of loader.conf.
func confs(list ...string) []firmware.Choice {
	var c []firmware.Choice
	for _, conf := range list {
		c = append(c, firmware.Choice{Conf: "timeout 0\n" + conf})
	}
	return c
}

// TestStartsAsSystemdBoot asks real systemd-boot programs in QEMU.
func TestStartsAsSystemdBoot(t *testing.T) {
	t.Parallel()
	questions := confs(
		"", "default\n", "default nixos-generation-7.conf\n", "default nixos-generation-7\n", "default NIXOS-Generation-7.CONF\n",
		"default nixos-*\n", "default xen-*\n", "default *\n", "default *.efi\n", "default nixos-*.efi\n", "default lanza*\n",
		"default xen-generation-[78].conf\n", "default xen-generation-1?.conf\n", "default nixos-generation-1[0-9]*\n",
		"default xen-generation-77.conf\n", "default xen-generation-11.conf\n", "default @saved\n", "default @SAVED\n", "default @other\n",
		"default xen-generation-7.conf\ndefault xen-generation-10.conf\n", "default xen-generation-7.conf\ndefault @other\n",
		"default xen-generation-7.conf   \n", "default \"xen-generation-7.conf\"\n", "default 'xen-generation-7.conf'\n", "default 'xen-generation-7.conf\n",
		"default \"\n", "default \"\"\n", "default xen-generation-7.conf\ndefault ''\n", "default\txen-generation-7.conf\t\r\n", " default  xen-generation-7.conf\n", "#default xen-generation-7.conf\n", "Default xen-generation-7.conf\n",
		"default xen-generation-7.conf # x\n",
		"default xen-rescue*\n", "default xen-re\\scue.conf\n", "default auto-reboot-to-firmware-setupx\ndefault memtest.conf\n",
		"default nixos-"+hash1+".conf\n", "default nixos-"+hash1+"+3.conf\n", "default nixos-"+hash1+"*\n",
		"default nixos-"+hash1+"[+.][1-9c]*onf\n", "default xen-"+hash1+"[+.][1-9c]*onf\n",
		"default nixos-generation-13.conf\n", "default nixos-generation-13+0-3.conf\n", "default nixos-generation-13[+.][1-9c]*onf\n",
		"default nixos-generation-13*\n", "default xen-generation-13-aaaa.efi\n", "default xen-generation-13-aaaa[+.][1-9e]*fi\n",
		"default xen-generation-14-aaaa.efi\n", "default xen-generation-14-aaaa+2.efi\n", "default xen-generation-14-aaaa[+.][1-9e]*fi\n",
		"preferred xen-generation-7.conf\ndefault nixos-*\n", "preferred nixos-generation-13.conf\ndefault nixos-*\n",
		"preferred nixos-generation-13*\n", "preferred xen-generation-13-aaaa.efi\n", "preferred xen-generation-1[34]*\n", "preferred @saved\ndefault nixos-*\n",
		"preferred nosuch\ndefault memtest.conf\n",
	)
	for _, v := range []string{"nixos-generation-7.conf", "xen-generation-13-aaaa.efi", "nixos-generation-13+0-3.conf", "xen-generation-10*", "nosuch", "@saved",
		"xen-generation-14-aaaa.efi", "xen-generation-14-aaaa+2.efi", "xen-generation-14-aaaa[+.][1-9e]*fi"} {
		questions = append(questions,
			firmware.Choice{Conf: "timeout 0\ndefault memtest.conf\n", OneShot: v},
			firmware.Choice{Conf: "timeout 0\ndefault memtest.conf\n", Default: v, LastBooted: "xen-generation-7.conf"},
			firmware.Choice{Conf: "timeout 0\ndefault memtest.conf\n", Preferred: v, LastBooted: "xen-generation-7.conf"},
			firmware.Choice{Conf: "timeout 0\ndefault @saved\n", LastBooted: v},
			firmware.Choice{Conf: "timeout 0\ndefault @saved\n", LastBooted: v, Default: "@saved"},
			firmware.Choice{Conf: "timeout 0\npreferred @saved\ndefault memtest.conf\n", LastBooted: v},
			firmware.Choice{Conf: "timeout 0\npreferred xen-generation-10.conf\ndefault memtest.conf\n", Default: v},
			firmware.Choice{Conf: "timeout 0\npreferred xen-generation-10.conf\ndefault memtest.conf\n", Preferred: v},
			firmware.Choice{Conf: "timeout 0\npreferred xen-generation-10.conf\n", Preferred: v, Default: "nixos-generation-7.conf", OneShot: "xen-rescue.conf"},
			firmware.Choice{Conf: "timeout 0\npreferred xen-generation-10.conf\n", Preferred: v, Default: "nixos-generation-7.conf", OneShot: "xen-*nosuch"},
		)
	}
	ask(t, variedMenu(), questions)
}

// TestDecideBySystemdBoot: what Decide writes for random machines starts what the policy wants, as
// real systemd-boot programs judge.
func TestDecideBySystemdBoot(t *testing.T) {
	t.Parallel()
	files := loaders(t)
	const worlds = 4
	for n := range worlds {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			var choices []firmware.Choice
			var wants [][]string
			w := newWorld(rand.New(rand.NewPCG(7, uint64(n))))
			for name := range files {
				w.Version = nextboot.ParseVersion(name)
				for policy := range nextboot.Policy(4) {
					w.Policy = policy
					for range 12 {
						w.shape, w.means, w.ours, w.foreign, w.keepGlob, w.Conf = "", -1, false, "", false, nil
						w.loaderConf()
						d := nextboot.Decide(w.Input)
						conf := w.Conf
						if d.Conf != nil {
							conf = d.Conf
						}
						text := strings.ReplaceAll(string(conf), "timeout 4", "timeout 0")
						choices = append(choices, firmware.Choice{Loader: name, Conf: text})
						wants = append(wants, w.demand())
						if d.OneShot != "" {
							choices = append(choices, firmware.Choice{Loader: name, Conf: text, OneShot: d.OneShot})
							wants = append(wants, []string{w.gens[d.Trial].xen})
						}
					}
				}
			}
			dir := t.TempDir()
			writeMenu(t, dir, w.After)
			ids, err := firmware.Choose(t.Context(), dir, files, choices)
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range ids {
				ok := slices.ContainsFunc(wants[i], func(file string) bool { return w.idOf(file) == w.idOf(id) })
				if !ok {
					t.Errorf("systemd-boot %s starts %q by %q (once %q), wanted is %q\n%s",
						choices[i].Loader, id, choices[i].Conf, choices[i].OneShot, wants[i], w.describe())
				}
			}
			t.Logf("%d choices", len(ids))
		})
	}
}
