package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
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

// rowMachine is a machine of such a row.
type rowMachine struct {
	t        *testing.T
	root     *fixtures.Root
	esp      string
	boot     string // XBOOTLDR, "" for none
	efivars  string
	vars     map[string]string // what is set there
	nixos    fixtures.SystemdBoot
	profile  string
	params   string // a kernel parameter of the next generation
	extra    []string
	ids      map[string]string
	names    *strings.Replacer
	log      []string
	problems []string
}

func newRowMachine(t *testing.T) *rowMachine {
	t.Helper()
	dir := t.TempDir()
	m := &rowMachine{t: t, root: fixtures.NewRoot(filepath.Join(dir, "root")), esp: filepath.Join(dir, "esp"), efivars: filepath.Join(dir, "efivars"), vars: map[string]string{}, ids: map[string]string{}}
	m.nixos.Loader = loaderBytes()
	m.must(os.MkdirAll(m.efivars, 0o755))
	m.setVar("LoaderInfo", "systemd-boot 252.39-1~deb12u2")
	m.rename()
	return m
}

// debianLoader is where Debian's systemd-boot-efi has it.
const debianLoader = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"

// loaderBytes is the systemd-boot of this machine, or what says that it is 252.
func loaderBytes() []byte {
	if b, err := os.ReadFile(debianLoader); err == nil && bytes.Contains(b, []byte("#### LoaderInfo: systemd-boot 252")) {
		return b
	}
	return []byte("#### LoaderInfo: systemd-boot 252.39-1~deb12u2 ####")
}

func (m *rowMachine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *rowMachine) problem(format string, args ...any) {
	m.problems = append(m.problems, fmt.Sprintf(format, args...))
}

func (m *rowMachine) bootDir() string {
	if m.boot != "" {
		return m.boot
	}
	return m.esp
}

func (m *rowMachine) system(kind string, number int) fixtures.System {
	s := fixtures.System{Params: []string{"quiet", fmt.Sprintf("gen=%d", number), m.params}, ExtraInitrds: m.extra}
	switch kind {
	case xen:
		s.Xen = &fixtures.Xen{}
	case broken:
		s.Xen = &fixtures.Xen{}
		s.Extra = map[string]any{"org.xenproject.bootspec.v2": map[string]any{
			"efiPath": fixtures.StoreDir + "/00000000000000000000000000000000-xen/boot/xen.efi", "version": "4.20.2",
			"multibootPath": fixtures.StoreDir + "/00000000000000000000000000000000-xen/boot/xen", "params": []string{},
		}}
	}
	return s
}

func (m *rowMachine) add(number int, kind string) *fixtures.Toplevel {
	m.t.Helper()
	top, err := m.root.Add(fixtures.Generation{Number: number, Profile: m.profile, System: m.system(kind, number)})
	m.must(err)
	return top
}

func (m *rowMachine) addSpecial(number int, kind, special string) {
	m.t.Helper()
	s := fixtures.Specialisation{Name: "s", System: m.system(special, number)}
	s.Params = append(s.Params, "special")
	_, err := m.root.Add(fixtures.Generation{Number: number, System: m.system(kind, number), Specialisations: []fixtures.Specialisation{s}})
	m.must(err)
}

// drop takes a generation away. What it had in the store comes back: nothing is collected yet.
func (m *rowMachine) drop(top *fixtures.Toplevel) {
	m.t.Helper()
	boot := m.root.Path(top.Path)
	keep := filepath.Join(m.t.TempDir(), "kept")
	m.must(os.CopyFS(keep, os.DirFS(boot)))
	if err := os.Symlink(top.Path, m.root.Path(top.Link)); err != nil && !os.IsExist(err) {
		m.must(err)
	}
	m.must(m.root.Delete(top))
	m.must(os.CopyFS(boot, os.DirFS(keep)))
}

func (m *rowMachine) systemdBoot() {
	m.t.Helper()
	m.nixos.Boot = m.boot
	entries, err := m.root.InstallSystemdBoot(m.esp, m.nixos)
	m.must(err)
	for _, e := range entries {
		m.name("N", e.Toplevel, e.ID)
		m.name("X", e.Toplevel, "xen-"+strings.TrimPrefix(e.ID, "nixos-"))
	}
}

func (m *rowMachine) lanzaboote(tries int) {
	m.t.Helper()
	stubs, err := m.root.InstallLanzaboote(m.esp, fixtures.Lanzaboote{Tries: tries, Loader: m.nixos.Loader})
	m.must(err)
	for _, s := range stubs {
		m.name("S", s.Toplevel, path.Base(s.Path))
		m.name("X", s.Toplevel, fmt.Sprintf("xen-generation-%d.conf", s.Toplevel.Number))
	}
}

// moveToBoot gives the machine an XBOOTLDR partition.
func (m *rowMachine) moveToBoot() {
	m.boot = filepath.Join(filepath.Dir(m.esp), "boot")
	m.must(os.MkdirAll(m.boot, 0o755))
}

// name notes what an id stands for in the rows.
func (m *rowMachine) name(letter string, top *fixtures.Toplevel, id string) {
	if top.Profile != "" {
		return
	}
	special := top.Specialisation
	m.ids[fmt.Sprintf("%s%d%s", letter, top.Number, special)] = id
	m.ids[fmt.Sprintf("T%d%s", top.Number, special)] = top.Path
	m.ids[fmt.Sprintf("P%d%s", top.Number, special)] = fmt.Sprintf("xen-generation-%d.conf", top.Number)
	m.rename()
}

// rename takes up names that changed: those of images have the hash of their content, which only the
// program knows; the toplevel tells which is which.
func (m *rowMachine) rename() {
	var pairs []string
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(m.ids))) { // X1s before X1
		pairs = append(pairs, name, m.ids[name])
	}
	m.names = strings.NewReplacer(pairs...)
}

func (m *rowMachine) conf(lines string) {
	m.t.Helper()
	text := "timeout 0\n"
	if lines != "" {
		text += lines + "\n"
	}
	m.must(os.WriteFile(filepath.Join(m.esp, "loader/loader.conf"), []byte(text), 0o644))
}

func (m *rowMachine) write(name, text string) {
	m.t.Helper()
	file := filepath.Join(m.esp, name)
	m.must(os.MkdirAll(filepath.Dir(file), 0o755))
	m.must(os.WriteFile(file, []byte(text), 0o644))
}

func (m *rowMachine) read(name string) string {
	m.t.Helper()
	b, err := os.ReadFile(filepath.Join(m.esp, name))
	m.must(err)
	return string(b)
}

func (m *rowMachine) glob(dir, pattern string) []string {
	m.t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	m.must(err)
	return found
}

// setVar sets an EFI variable of the boot loader interface; "" takes it away.
func (m *rowMachine) setVar(name, value string) {
	m.t.Helper()
	m.must(setEFIVar(m.efivars, name, value))
	m.vars[name] = value
}

func (m *rowMachine) secureBoot() {
	m.t.Helper()
	for name, value := range map[string]byte{"SecureBoot": 1, "SetupMode": 0} {
		file := filepath.Join(m.efivars, name+"-8be4df61-93ca-11d2-aa0d-00e098032b8c")
		m.must(os.WriteFile(file, []byte{6, 0, 0, 0, value}, 0o644))
	}
}

// say notes what there is.
func (m *rowMachine) say(when string) {
	conf, _ := os.ReadFile(filepath.Join(m.esp, "loader/loader.conf"))
	var files []string
	for _, dir := range []string{m.esp, m.boot} {
		if dir != "" {
			files = append(files, m.glob(dir, "loader/entries/*")...)
			files = append(files, m.glob(dir, "EFI/Linux/*")...)
		}
	}
	m.log = append(m.log, fmt.Sprintf("%s: loader.conf %q\n%s", when, conf, strings.Join(files, "\n")))
}

// command runs the program as on this machine.
func (m *rowMachine) command(args ...string) (code int, stdout, stderr string) {
	m.t.Helper()
	if !slices.Contains(args, "remove") {
		args = append(args, "--root", m.root.Dir())
	}
	args = append(args, "--esp", m.esp)
	if m.boot != "" {
		args = append(args, "--boot", m.boot)
	}
	env := noEnvironment()
	env.running = running{root: m.root.Dir(), efivars: m.efivars, sys: filepath.Join(filepath.Dir(m.esp), "sys")}
	var out, errs bytes.Buffer
	code = run(m.t.Context(), args, &out, &errs, env)
	m.log = append(m.log, fmt.Sprintf("%q ended with %d\n%s%s", args, code, &out, &errs))
	return code, out.String(), errs.String()
}

func (m *rowMachine) run(args ...string) (code int, stderr string) {
	m.t.Helper()
	code, _, stderr = m.command(args...)
	return code, stderr
}

func (m *rowMachine) mustRun(args ...string) {
	m.t.Helper()
	if code, stderr := m.run(append(args, "quiet")...); code != exitDone {
		m.t.Fatalf("%q ended with %d: %s", args, code, stderr)
	}
}

// list is what list --json says.
func (m *rowMachine) list() rowList {
	m.t.Helper()
	_, stdout, stderr := m.command("list", "--json")
	var doc struct{ ESPs []rowList }
	if err := json.Unmarshal([]byte(stdout), &doc); err != nil || len(doc.ESPs) != 1 {
		m.t.Fatalf("list: %v\n%s%s", err, stdout, stderr)
	}
	for _, e := range doc.ESPs[0].Entries {
		for name, id := range m.ids { // an image's name has a hash
			if strings.HasPrefix(name, "X") && e.Toplevel == m.ids["T"+name[1:]] && strings.HasPrefix(e.ID, strings.TrimSuffix(id, ".conf")) {
				m.ids[name] = e.ID
			}
		}
	}
	m.rename()
	return doc.ESPs[0]
}

type rowList struct {
	Entries, Without []struct {
		ID, Generation, Toplevel string
		Default                  bool
	}
	Starts struct{ Entry, Reason string }
}

// starts is the id of the one entry that list marks, without its counter. Where it is one of ours, exactly that has the mark.
func (m *rowMachine) starts() string {
	m.t.Helper()
	l := m.list()
	var marked []string
	for _, e := range l.Entries {
		if e.Default {
			marked = append(marked, e.ID)
		}
	}
	for _, g := range l.Without {
		if g.Default {
			marked = append(marked, g.Generation)
		}
	}
	if len(marked) > 1 || len(marked) == 1 && strings.HasPrefix(marked[0], "xen-") && !strings.HasPrefix(l.Starts.Entry, "nixos-") && cutCounter(marked[0]) != cutCounter(l.Starts.Entry) {
		m.problem("list marks %q, and says that %s starts", marked, l.Starts.Entry)
	}
	return cutCounter(l.Starts.Entry)
}

// cutCounter is an id without its boot counter.
func cutCounter(id string) string {
	return regexp.MustCompile(`\+\d+(-\d+)?(\.\w+)$`).ReplaceAllString(id, "$2")
}

// toplevelOf is what one of our entries starts.
func (m *rowMachine) toplevelOf(name string) string {
	m.t.Helper()
	for _, e := range m.list().Entries {
		if e.ID == m.ids[name] {
			return e.Toplevel
		}
	}
	return ""
}

// court asks a real systemd-boot what it starts on machines that are gone by then.
type court struct {
	dir        string
	name, file string // of the systemd-boot
	mu         sync.Mutex
	cases      []courtCase
}

type courtCase struct {
	row, want string
	esp, boot string
	choice    firmware.Choice
}

// hear takes a machine's partitions as they are.
func (c *court) hear(m *rowMachine, row, want string) {
	m.t.Helper()
	if c.file == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := courtCase{row: row, want: want, esp: filepath.Join(c.dir, fmt.Sprint(len(c.cases)), "esp")}
	m.must(os.CopyFS(k.esp, os.DirFS(m.esp)))
	if m.boot != "" {
		k.boot = filepath.Join(filepath.Dir(k.esp), "boot")
		m.must(os.CopyFS(k.boot, os.DirFS(m.boot)))
	}
	conf := regexp.MustCompile(`(?m)^timeout .*\n`).ReplaceAllString(m.read("loader/loader.conf"), "timeout 0\n")
	k.choice = firmware.Choice{
		Loader: c.name, Conf: conf, OneShot: m.vars["LoaderEntryOneShot"], Preferred: m.vars["LoaderEntryPreferred"],
		Default: m.vars["LoaderEntryDefault"], LastBooted: m.vars["LoaderEntryLastBooted"],
	}
	c.cases = append(c.cases, k)
}

// judge holds what systemd-boot starts against what is wanted: all machines with one partition in one session.
func (c *court) judge(t *testing.T) {
	t.Helper()
	firmware.NeedChoose(t)
	judging.Lock()
	defer judging.Unlock()
	loaders := map[string]string{c.name: c.file}
	var trees []string
	var choices []firmware.Choice
	var asked []courtCase
	answered := func(k courtCase, id string) {
		if got := strings.ToLower(cutCounter(id)); got != strings.ToLower(k.want) {
			t.Errorf("%s: systemd-boot %s starts %q, want %q, by %+v", k.row, c.name, got, k.want, k.choice)
		}
	}
	for _, k := range c.cases {
		if k.boot != "" {
			ids, err := firmware.ChooseExtended(t.Context(), k.esp, k.boot, loaders, []firmware.Choice{k.choice})
			if err != nil {
				t.Fatal(err)
			}
			answered(k, ids[0])
			continue
		}
		k.choice.Tree = len(trees)
		trees, choices, asked = append(trees, k.esp), append(choices, k.choice), append(asked, k)
	}
	ids, err := firmware.ChooseAmong(t.Context(), trees, loaders, choices)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		answered(asked[i], id)
	}
	t.Logf("systemd-boot %s was asked about %d machines", c.name, len(c.cases))
}

// judging keeps it to one virtual machine at a time.
var judging sync.Mutex
