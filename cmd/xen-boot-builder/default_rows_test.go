package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestDefaultRows is the table of what starts by default: each machine in the state in which other installers and
// people leave it, one run of the program, and what is the default then. What list marks is held
// against what is wanted, and real systemd-boots, all rows in one session, are asked what they start.
func TestDefaultRows(t *testing.T) {
	t.Parallel()
	t.Run("loaders", func(t *testing.T) { chooseLoaders(t) }) // skips where nothing can be asked
	loaders := map[string]string{"252.39": ""}
	if !testing.Short() {
		maps.Copy(loaders, loadersOf(t, presentLoaders()))
	}
	for name, file := range loaders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &court{dir: t.TempDir(), name: name, file: file}
			t.Run("rows", func(t *testing.T) {
				for _, row := range defaultRows() {
					t.Run(row.name, func(t *testing.T) {
						t.Parallel()
						row.run(t, c)
					})
				}
			})
			if file != "" {
				t.Run("judged", c.judge)
			}
		})
	}
}

func (row defaultRow) run(t *testing.T, c *court) {
	m := newRowMachine(t)
	if c.file != "" {
		m.nixos.Loader = bootRead(t, c.file)
		m.setVar("LoaderInfo", "systemd-boot "+c.name)
	}
	installed := m.nixos.Loader
	row.arrange(m)
	m.say("before")
	code, stderr := m.run(row.args...)
	m.say("after")
	if code != row.code {
		t.Errorf("exit code %d, want %d", code, row.code)
	}
	if !regexp.MustCompile(row.stderr).MatchString(stderr) || row.stderr == "" && stderr != "" {
		t.Errorf("stderr is %q, want %q", stderr, row.stderr)
	}
	got, want := m.starts(), ""
	for one := range strings.SplitSeq(row.starts, " or ") {
		if one = cutCounter(m.names.Replace(one)); want == "" || got == one {
			want = one
		}
	}
	if got != want {
		t.Errorf("list says that %s starts, want %s", got, want)
	}
	if row.conf != "" {
		if conf := m.read("loader/loader.conf"); !strings.Contains("\n"+conf, "\n"+m.names.Replace(row.conf)+"\n") {
			t.Errorf("loader.conf has no line %q:\n%s", m.names.Replace(row.conf), conf)
		}
	}
	if row.check != nil {
		row.check(m)
	}
	if code, _ := m.run(row.args...); code != row.code && !row.once {
		t.Errorf("exit code %d the second time, want %d", code, row.code)
	}
	if got := m.starts(); got != want {
		t.Errorf("the second time list says that %s starts, want %s", got, want)
	}
	if bytes.Equal(installed, m.nixos.Loader) {
		c.hear(m, row.name, want)
	}
	for _, problem := range m.problems {
		t.Error(problem)
	}
	if t.Failed() {
		t.Log(strings.Join(m.log, "\n"))
	}
}

// defaultRow is one of them. In starts and conf, X2 is the id of the Xen entry of generation 2, N2 that of
// its NixOS entry, S2 that of its stub, X2s and so on those of its specialisation s.
type defaultRow struct {
	name    string
	arrange func(m *rowMachine)
	args    []string // nil for an install
	code    int
	stderr  string // a regular expression; "" for nothing
	starts  string // "N1 or N2": where versions of systemd-boot differ
	conf    string // a line of loader.conf
	check   func(m *rowMachine)
	once    bool // the second run may end otherwise
}

// defaultRows are the rows, by what was there before.
func defaultRows() []defaultRow {
	return slices.Concat(lanzabooteRows(), movedRows(), deletedRows(), confRows(), noDefaultRows(), countedRows(), shapeRows(), variableRows())
}

// Lanzaboote says `default nixos-*`.
func lanzabooteRows() []defaultRow {
	return []defaultRow{
		{name: "lanzaboote", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.add(2, xen)
			m.lanzaboote(0)
		}, starts: "X2", conf: "default X2"},
		{name: "lanzaboote, Xen switched off in the newest", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.add(2, noXen)
			m.lanzaboote(0)
		}, starts: "S2", conf: "default nixos-*"},
		{name: "lanzaboote, Xen switched off again", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.lanzaboote(0)
			m.mustRun()
			m.add(2, noXen)
			m.lanzaboote(0)
			m.conf("default xen-*") // as nixpkgs' script and the first version of this program left it
		}, starts: "S2"},
		{name: "lanzaboote, Xen only in a specialisation", arrange: func(m *rowMachine) {
			m.addSpecial(1, noXen, xen)
			m.lanzaboote(0)
		}, starts: "S1"},
		{name: "lanzaboote, the newest can't be built", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.add(2, broken)
			m.lanzaboote(0)
		}, code: exitFailed, stderr: "generation 2", starts: "S2"},
		{name: "lanzaboote, rolled back: the newest all the same", arrange: func(m *rowMachine) {
			old := m.add(1, xen)
			m.add(2, xen)
			m.must(m.root.SetDefault(old))
			m.lanzaboote(0)
		}, starts: "X2"},
	}
}

// Other installers were here before.
func movedRows() []defaultRow {
	return []defaultRow{
		{name: "back from lanzaboote, its stubs left behind", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.add(2, xen)
			m.lanzaboote(0)
			m.systemdBoot()
			m.must(os.RemoveAll(filepath.Join(m.esp, "EFI/nixos")))
			m.systemdBoot()
		}, starts: "X2", conf: "default X2"},
		{name: "back from lanzaboote, remove", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.add(2, xen)
			m.lanzaboote(0)
			m.mustRun()
			m.must(os.RemoveAll(filepath.Join(m.esp, "EFI/nixos")))
			m.systemdBoot()
			m.mustRun()
		}, args: []string{"remove"}, starts: "N2"},
		{name: "moved to XBOOTLDR", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.systemdBoot()
			m.mustRun()
			m.add(2, xen)
			m.moveToBoot()
			m.systemdBoot()
		}, starts: "X2", check: func(m *rowMachine) {
			for _, pattern := range []string{"loader/entries/xen-*", "EFI/xen/*.cfg", "EFI/nixos/xen-*", "EFI/xen/*.efi"} {
				if left := m.glob(m.esp, pattern); len(left) > 0 {
					m.problem("the ESP still has %q", left)
				}
			}
		}},
	}
}

// Generations went away, or came again under another's number.
func deletedRows() []defaultRow {
	noOld := func(id string) func(m *rowMachine) {
		return func(m *rowMachine) {
			if found := m.glob(m.bootDir(), "loader/entries/"+m.names.Replace(id)); len(found) > 0 {
				m.problem("%q is still there", found)
			}
		}
	}
	return []defaultRow{
		{name: "deleted, not collected", arrange: func(m *rowMachine) {
			old := m.add(1, xen)
			m.add(2, xen)
			m.systemdBoot()
			m.mustRun()
			m.must(os.Remove(m.root.Path(old.Link))) // the toplevel stays until it is collected
			m.drop(old)
			m.systemdBoot()
		}, starts: "X2", check: noOld("X1")},
		{name: "deleted and collected", arrange: func(m *rowMachine) {
			old := m.add(1, xen)
			m.add(2, xen)
			m.systemdBoot()
			m.mustRun()
			m.must(m.root.Delete(old)) // the entry stays, as until the next rebuild
		}, stderr: "(?s).*", starts: "X2", check: noOld("X1")},
		{name: "limit comes before what can't be rebuilt", arrange: func(m *rowMachine) {
			old := m.add(1, xen)
			m.add(2, xen)
			m.systemdBoot()
			m.mustRun()
			m.must(os.Remove(m.root.Path(old.Path + "/boot.json")))
		}, args: []string{"--limit", "1"}, starts: "X2", check: noOld("X1")},
		{name: "a number given out again", arrange: func(m *rowMachine) {
			m.add(1, xen)
			gone := m.add(2, xen)
			m.systemdBoot()
			m.mustRun()
			m.must(m.root.Delete(gone))
			m.params = "the.new=2"
			m.add(2, xen)
			m.systemdBoot()
			m.run("--generation", "1", "quiet")
		}, args: []string{"--generation", "2"}, starts: "X2", check: func(m *rowMachine) {
			if id := m.toplevelOf("X2"); id != m.ids["T2"] {
				m.problem("X2 starts %s, want %s", id, m.ids["T2"])
			}
		}},
		{name: "a number given out again, another one asked for", arrange: func(m *rowMachine) {
			m.add(1, xen)
			gone := m.add(2, xen)
			m.systemdBoot()
			m.mustRun()
			m.must(m.root.Delete(gone))
			m.params = "the.new=2"
			m.add(2, xen)
			m.systemdBoot()
		}, args: []string{"--generation", "1"}, starts: "N2", stderr: "(?s).*", check: noOld("X2")},
		{name: "from profiles, with a hash in loader.conf", arrange: func(m *rowMachine) {
			m.nixos.Names = fixtures.ContentHashNames
			old := m.add(1, xen)
			m.add(2, xen)
			m.systemdBoot()
			m.must(m.root.SetDefault(old))
		}, args: []string{"--from", "profiles"}, starts: "P1", stderr: "(?s).*"},
		{name: "limit counts profiles by their links", arrange: func(m *rowMachine) {
			m.nixos.Names = fixtures.ContentHashNames
			m.profile = "lab"
			m.add(7, xen)
			m.profile = ""
			m.add(1, xen)
			m.systemdBoot()
		}, args: []string{"--limit", "1"}, starts: "X1", check: func(m *rowMachine) {
			if n := len(m.glob(m.esp, "loader/entries/xen-*")); n != 2 {
				m.problem("%d Xen entries, want one of each profile", n)
			}
		}},
		{name: "what is asked for is not limited", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.add(2, xen)
			m.systemdBoot()
		}, args: []string{"--limit", "1", "--generation", "1"}, starts: "N2", stderr: "(?s).*", check: func(m *rowMachine) {
			if len(m.glob(m.esp, "loader/entries/"+m.ids["X1"])) != 1 {
				m.problem("generation 1 was asked for, and has no entry")
			}
		}},
		{name: "NixOS' entries select", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.add(2, xen)
			m.nixos.Limit = 1
			m.systemdBoot()
		}, starts: "X2", check: noOld("xen-generation-1.conf")},
	}
}

// loader.conf names something of its own.
func confRows() []defaultRow {
	rescue := func(m *rowMachine) {
		m.add(1, xen)
		m.systemdBoot()
		m.write("loader/entries/xen-rescue-1.conf", "title Rescue\nefi /EFI/rescue.efi\n")
		m.write("EFI/rescue.efi", "rescue")
		m.conf("default xen-rescue*")
	}
	return []defaultRow{
		{name: "a pattern of the user's own", arrange: rescue, stderr: "(?s)neither NixOS nor xen-boot-builder", starts: "xen-rescue-1.conf", conf: "default xen-rescue*"},
		{name: "a pattern of the user's own, keep", arrange: rescue, args: []string{"--default", "keep"}, starts: "xen-rescue-1.conf", conf: "default xen-rescue*"},
		{name: "a pattern of the user's own, remove", arrange: func(m *rowMachine) {
			rescue(m)
			m.run("quiet")
		}, args: []string{"remove"}, starts: "xen-rescue-1.conf", conf: "default xen-rescue*"},
		{name: "our pattern, and the newest can't be built", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.systemdBoot()
			m.mustRun()
			m.add(2, broken)
			m.systemdBoot()
			m.conf("default xen-*")
		}, code: exitFailed, stderr: "generation 2", starts: "N2"},
		{name: "our pattern, and Xen is off in the newest", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.systemdBoot()
			m.mustRun()
			m.add(2, noXen)
			m.systemdBoot()
			m.conf("default xen-*")
		}, starts: "N2"},
		{name: "an image that is gone", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.systemdBoot()
			m.conf("default xen-generation-1-0123456789abcdef.efi")
		}, args: []string{"--layout", "unified"}, starts: "X1"},
		{name: "an image that is gone, and there never was another", arrange: func(m *rowMachine) {
			m.add(1, noXen)
			m.systemdBoot()
			m.conf("default xen-generation-1-0123456789abcdef.efi")
		}, starts: "N1", stderr: "no generation has the Xen bootspec"},
		{name: "remove without a root repairs", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.systemdBoot()
			m.conf("default xen-generation-1-0123456789abcdef.efi")
		}, args: []string{"remove"}, starts: "N1"},
		{name: "base or specialisation, by pattern, unified", arrange: func(m *rowMachine) {
			m.addSpecial(1, xen, xen)
			m.systemdBoot()
			m.mustRun("--layout", "unified")
			m.conf("default xen-*")
		}, args: []string{"--layout", "unified"}, starts: "X1"},
		{name: "a hand-written entry with our xen.cfg", arrange: func(m *rowMachine) {
			m.nixos.Names = fixtures.ContentHashNames
			m.extra = []string{"EFI/extra/second.img"} // so that an initrd is ours
			m.add(1, xen)
			m.add(2, xen)
			m.systemdBoot()
			m.mustRun()
			own := m.read("loader/entries/" + m.ids["X1"])
			m.write("loader/entries/mine.conf", regexp.MustCompile(`(?m)^sort-key.*\n`).ReplaceAllString(own, ""))
			m.must(os.Remove(filepath.Join(m.esp, "loader/entries", m.ids["N1"])))
		}, starts: "X2", check: func(m *rowMachine) {
			if err := entryBoots(m.esp, filepath.Join(m.esp, "loader/entries/mine.conf")); err != nil {
				m.problem("mine.conf: %v", err)
			}
		}},
	}
}

// loader.conf names nothing that starts: by its place in the menu, Xen would.
func noDefaultRows() []defaultRow {
	var rows []defaultRow
	for _, c := range []struct{ name, line string }{
		{"none", ""}, {"@saved", "default @saved"}, {"without suffix", "default nixos-generation-2"}, {"missing", "default nixos-generation-77.conf"},
	} {
		arrange := func(m *rowMachine) {
			m.add(1, xen)
			m.add(2, xen)
			m.systemdBoot()
			m.conf(c.line)
		}
		for _, mode := range []string{"nixos", "keep"} {
			rows = append(rows, defaultRow{
				name: "default " + c.name + ", " + mode, arrange: arrange, args: []string{"--default", mode},
				stderr: "nixos-generation-2.conf is written as the default", starts: "N2", conf: "default N2", once: true,
			})
		}
		rows = append(rows, defaultRow{name: "default " + c.name + ", Secure Boot without a key", arrange: func(m *rowMachine) {
			arrange(m)
			m.secureBoot()
		}, stderr: "(?s)Secure Boot is on", starts: "N2", conf: "default N2"})
		rows = append(rows, defaultRow{name: "default " + c.name + ", remove", arrange: func(m *rowMachine) {
			arrange(m)
			m.mustRun()
			m.conf(c.line)
		}, args: []string{"remove"}, starts: "N2", stderr: "(?s).*"})
	}
	return rows
}

// Boot counting.
func countedRows() []defaultRow {
	counted := func(m *rowMachine) {
		m.nixos.Names, m.nixos.Tries = fixtures.ContentHashNames, 3
	}
	return []defaultRow{
		{name: "counted, nothing bad", arrange: func(m *rowMachine) {
			counted(m)
			m.add(1, xen)
			m.systemdBoot()
		}, starts: "X1", stderr: "boot counting does not cover"},
		{name: "preferred Xen of what counting gave up", arrange: func(m *rowMachine) {
			counted(m)
			m.nixos.Loader = []byte("#### LoaderInfo: systemd-boot 262 ####") // it knows preferred
			m.add(1, xen)
			m.add(2, xen)
			m.systemdBoot()
			m.conf("preferred " + m.ids["X2"] + "\ndefault nixos-*")
			_, err := fixtures.SetCounter(m.esp, m.ids["N2"], "0-3")
			m.must(err)
		}, starts: "N1", stderr: "boot counting has given up"},
		{name: "counted, unified", arrange: func(m *rowMachine) {
			counted(m)
			m.add(1, xen)
			m.systemdBoot()
		}, args: []string{"--layout", "unified"}, starts: "X1", stderr: "(?s).*", check: func(m *rowMachine) {
			if len(m.glob(m.esp, "EFI/Linux/xen-*+3.efi")) != 1 {
				m.problem("the image has no counter: %q", m.glob(m.esp, "EFI/Linux/*"))
			}
		}},
	}
}

// Shapes of loader.conf that mean a generation, one way or another.
func shapeRows() []defaultRow {
	three := func(conf string) func(m *rowMachine) {
		return func(m *rowMachine) {
			m.add(1, xen)
			m.add(2, xen)
			m.add(10, xen)
			m.systemdBoot()
			m.conf(m.names.Replace(conf))
		}
	}
	return []defaultRow{
		{name: "letter cases", arrange: three("default NixOS-Generation-1.CONF"), starts: "X1", conf: "default X1"},
		{name: "a question mark", arrange: three("default nixos-generation-?.conf"), starts: "X2", conf: "default X2"},
		{name: "brackets", arrange: three("default nixos-generation-[13-9].conf"), starts: "X1", conf: "default X1"},
		{name: "an asterisk behind a number", arrange: three("default nixos-generation-1*"), starts: "X10"},
		{name: "brackets of ours, NixOS wanted", arrange: three("default xen-generation-[12].conf"), args: []string{"--default", "nixos"}, starts: "N2"},
		{name: "quotes", arrange: three("default \"N1\""), starts: "X1"},
		{name: "text behind it", arrange: three("default N1 # mine"), stderr: "(?s).*", starts: "X10"},
		{name: "twice", arrange: three("default N2\ndefault N1"), starts: "X1"},
		{name: "twice, Xen first", arrange: three("default xen-generation-2.conf\ndefault N1"), args: []string{"--default", "keep"}, starts: "N1"},
		{name: "preferred, which this one does not know", arrange: three("preferred N1\ndefault N2"), starts: "X2"},
		{name: "Windows that is gone, NixOS wanted", arrange: three("default auto-windows"), args: []string{"--default", "nixos"},
			starts: "N10", stderr: "nixos-generation-10.conf is written as the default", once: true},
		{name: "Windows that is gone", arrange: three("default auto-windows"), starts: "X10"},
		{name: "a specialisation", arrange: func(m *rowMachine) {
			m.addSpecial(1, xen, xen)
			m.add(2, xen)
			m.systemdBoot()
			m.conf("default " + m.ids["N1s"])
		}, starts: "X1s", conf: "default X1s"},
		{name: "a specialisation without Xen", arrange: func(m *rowMachine) {
			m.addSpecial(1, xen, noXen)
			m.systemdBoot()
			m.conf("default " + m.ids["N1s"])
		}, starts: "N1s", conf: "default N1s"},
		{name: "another profile", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.profile = "lab"
			m.add(7, xen)
			m.systemdBoot()
			m.conf("default nixos-lab-generation-7.conf")
		}, starts: "xen-lab-generation-7.conf"},
		{name: "the same generation as image and as entry", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.systemdBoot()
			m.mustRun("--layout", "unified")
			image := m.glob(m.esp, "EFI/Linux/xen-*.efi")[0]
			kept, err := os.ReadFile(image)
			m.must(err)
			m.mustRun("--layout", "shared")
			m.must(os.WriteFile(image, kept, 0o644))
			m.conf("default xen-*")
		}, args: []string{"--layout", "shared"}, starts: "X1", check: func(m *rowMachine) {
			if left := m.glob(m.esp, "EFI/Linux/xen-*"); len(left) > 0 {
				m.problem("%q is left", left)
			}
		}},
		{name: "the same entry on ESP and XBOOTLDR", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.add(2, xen)
			m.systemdBoot()
			entry := m.read("loader/entries/" + m.ids["N2"])
			m.moveToBoot()
			m.systemdBoot()
			m.write("loader/entries/"+m.ids["N2"], entry)
			for _, key := range []string{"linux", "initrd"} {
				file := regexp.MustCompile(`(?m)^` + key + ` /(.*)$`).FindStringSubmatch(entry)[1]
				m.write(file, "left behind")
			}
		}, starts: "X2"},
		{name: "counted, an exact id of what counting gave up", arrange: func(m *rowMachine) {
			m.nixos.Names, m.nixos.Tries = fixtures.ContentHashNames, 3
			m.add(1, xen)
			m.add(2, xen)
			m.systemdBoot()
			m.conf("default " + m.ids["N2"])
			_, err := fixtures.SetCounter(m.esp, m.ids["N2"], "0-3")
			m.must(err)
		}, starts: "N1 or N2", stderr: "boot counting has given up", once: true}, // 252 has the counter in its ids, and finds none
		{name: "lanzaboote, counted", arrange: func(m *rowMachine) {
			m.add(1, xen)
			m.add(2, xen)
			m.lanzaboote(3)
		}, args: []string{"--layout", "unified"}, starts: "X2", stderr: "(?s).*", check: func(m *rowMachine) {
			if n := len(m.glob(m.esp, "EFI/Linux/xen-*+3.efi")); n != 2 {
				m.problem("%d images have the counters of their stubs", n)
			}
		}},
		{name: "counted, an image that counting gave up", arrange: func(m *rowMachine) {
			m.nixos.Names, m.nixos.Tries = fixtures.ContentHashNames, 3
			m.add(1, xen)
			m.add(2, xen)
			m.systemdBoot()
			m.run("--layout", "unified", "quiet")
			image := m.glob(m.esp, "EFI/Linux/"+strings.TrimSuffix(m.ids["X2"], ".conf")+"*+3.efi")[0]
			m.must(os.Rename(image, strings.TrimSuffix(image, "+3.efi")+"+0-3.efi"))
		}, args: []string{"--layout", "unified"}, starts: "N2", stderr: "boot counting has given up"},
	}
}

// The EFI variables outrank loader.conf, where they name something that is there.
func variableRows() []defaultRow {
	two := func(conf, variable, value string) func(m *rowMachine) {
		return func(m *rowMachine) {
			m.add(1, xen)
			m.add(2, xen)
			m.systemdBoot()
			m.conf(m.names.Replace(conf))
			m.setVar(variable, m.names.Replace(value))
		}
	}
	return []defaultRow{
		{name: "@saved, Xen was chosen", arrange: two("default @saved", "LoaderEntryLastBooted", "X1"), starts: "X1", conf: "default @saved"},
		{name: "@saved, NixOS was chosen", arrange: two("default @saved", "LoaderEntryLastBooted", "N1"), starts: "N1", conf: "default @saved"},
		{name: "@saved, Xen was chosen, keep", arrange: two("default @saved", "LoaderEntryLastBooted", "X1"),
			args: []string{"--default", "keep"}, starts: "X1", conf: "default @saved"},
		{name: "@saved, Xen was chosen, NixOS wanted", arrange: two("default @saved", "LoaderEntryLastBooted", "X1"),
			args: []string{"--default", "nixos"}, starts: "N2", stderr: "(?s).*", once: true},
		{name: "@saved, what was chosen is gone", arrange: two("default @saved", "LoaderEntryLastBooted", "xen-generation-77.conf"),
			args: []string{"--default", "nixos"}, starts: "N2", stderr: "(?s).*", once: true},
		{name: "@saved, Xen was chosen, remove", arrange: func(m *rowMachine) {
			two("default @saved", "LoaderEntryLastBooted", "X1")(m)
			m.mustRun()
		}, args: []string{"remove"}, starts: "N2", stderr: "(?s).*", once: true},
		{name: "LoaderEntryDefault", arrange: two("default N2", "LoaderEntryDefault", "N1"), starts: "N1", conf: "default X2",
			stderr: "LoaderEntryDefault outranks"},
		{name: "LoaderEntryDefault is a pattern", arrange: two("default N2", "LoaderEntryDefault", "nixos-*"), starts: "N2", conf: "default X2",
			stderr: "LoaderEntryDefault outranks"},
		{name: "LoaderEntryDefault names what is gone", arrange: two("default N2", "LoaderEntryDefault", "xen-generation-77.conf"), starts: "X2", conf: "default X2"},
		{name: "LoaderEntryDefault, another letter case", arrange: two("default N2", "LoaderEntryDefault", "Xen-Generation-1.conf"), starts: "X1",
			conf: "default X2", stderr: "LoaderEntryDefault outranks"},
		{name: "LoaderEntryPreferred, which this one does not know", arrange: two("default N2", "LoaderEntryPreferred", "N1"), starts: "X2"},
	}
}

// What a generation has.
const (
	noXen  = "no Xen"
	xen    = "Xen"
	broken = "a Xen whose image is missing"
)
