package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// TestListIsRight: on partitions that the program installed, for any shape of loader.conf and of the EFI variables,
// systemd-boot starts the one entry that list says starts. The programs asked are Debian's and those that XBB_SYSTEMD_BOOT names.
func TestListIsRight(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("not run with -short: it starts machines")
	}
	loaders := chooseLoaders(t)
	for _, c := range []struct {
		name   string
		layout string
		names  fixtures.EntryNames
		tries  int
	}{
		{"numbers, shared", "shared", fixtures.GenerationNames, 0},
		{"numbers, unified", "unified", fixtures.GenerationNames, 0},
		{"hashes, counted, shared", "shared", fixtures.ContentHashNames, 3},
		{"hashes, counted, unified", "unified", fixtures.ContentHashNames, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newRowMachine(t)
			m.nixos.Names, m.nixos.Tries = c.names, c.tries
			for number := 7; number <= 9; number++ {
				m.add(number, xen)
			}
			m.systemdBoot()
			if c.tries > 0 {
				_, err := fixtures.SetCounter(m.esp, m.ids["N8"], "0-3")
				m.must(err)
			}
			if c.tries > 0 {
				m.write("EFI/Microsoft/Boot/bootmgfw.efi", "Windows")
			}
			m.mustRun("--layout", c.layout)
			m.list() // so that the names of images are known
			var choices []firmware.Choice
			var wants []string
			for name, file := range loaders {
				m.write("EFI/systemd/systemd-bootx64.efi", string(bootRead(t, file)))
				if c.tries == 0 && strings.HasPrefix(name, "257.") {
					continue // what differs there is asked about counted entries, too
				}
				for _, shape := range chooseShapes {
					choice := m.choice(shape)
					choice.Loader = name
					choices, wants = append(choices, choice), append(wants, m.says(choice))
				}
			}
			judging.Lock()
			defer judging.Unlock()
			ids, err := firmware.Choose(t.Context(), m.esp, loaders, choices)
			m.must(err)
			for i, id := range ids {
				// the id of 252 has the boot counter, that of 257 hasn't; list names an entry without it
				if cutCounter(id) != wants[i] {
					t.Errorf("systemd-boot %s starts %q, and list says %q: %+v", choices[i].Loader, id, wants[i], choices[i])
				}
			}
			t.Logf("%d questions", len(ids))
			for _, problem := range m.problems {
				t.Error(problem)
			}
			if t.Failed() {
				m.say("what is there")
				t.Log(m.log[len(m.log)-1])
			}
		})
	}
}

// chooseShapes are loader.conf, and behind tabs the variables: o LoaderEntryOneShot, p LoaderEntryPreferred, d
// LoaderEntryDefault, l LoaderEntryLastBooted. X8 is the Xen entry of generation 8, as in the rows of TestDefaultRows.
var chooseShapes = []string{
	"default X8\n",
	"default STEM\n", // without its suffix
	"default UPPER\n",
	"default xen-*\n",
	"default xen-generation-[78]*\n",
	"default xen-generation-[78].conf\n",
	"default nixos-*\n",
	"default xen-generation-77.conf\n",
	"default @saved\n",
	"default @saved\n\tl=X7",
	"default @saved\n\tl=N8",
	"default @saved\n\tl=xen-generation-77.conf",
	"",
	"editor no\n",
	"preferred X8\ndefault nixos-*\n",
	"preferred X8\ndefault X7\n",
	"preferred N8\ndefault nixos-*\n",
	"preferred @saved\ndefault N7\n\tl=X9",
	"preferred xen-generation-77.conf\ndefault X7\n",
	"preferred X8\n",
	"default X8\ndefault X7\n",
	"default X8   \n",
	"  default\tX8\n",
	"default \"X8\"\n",
	"default 'X8'\n",
	"default X8 # x\n",
	"#default X8\n",
	"default X8",
	"default X8\n\td=N9",
	"default X8\n\td=@saved\tl=X9",
	"default X8\n\tp=X7",
	"default nixos-*\n\tp=X8",
	"default N7\n",
	"default N7\n\to=X9",
	"default N7\n\to=xen-generation-77.conf",
	"default N7\n\to=X8\td=X7\tp=X9",
	"default N8\n",
	"default nixos-*+3.conf\n",
	"default X8COUNTED\n",
	"default N8COUNTED\n",
	"default xen-generation-?.conf\n",
	"default X7\n\td=xen-generation-77.conf",
	"default X7\n\td=nosuch\tp=nosuch\to=nosuch",
	"default AUTO-Windows\n", // there on half of the machines
	"auto-entries no\ndefault auto-windows\n",
	"default N7\n\to=auto-windows",
	"default auto-efi-shell\n", // nowhere
}

// choice is a shape on this machine.
func (m *rowMachine) choice(shape string) firmware.Choice {
	x8 := m.ids["X8"]
	shape = strings.NewReplacer(
		"STEM", regexp.MustCompile(`\.\w+$`).ReplaceAllString(cutCounter(x8), ""),
		"UPPER", strings.ToUpper(cutCounter(x8)),
		"X8COUNTED", regexp.MustCompile(`(\.\w+)$`).ReplaceAllString(cutCounter(x8), "+3$1"),
		"N8COUNTED", regexp.MustCompile(`(\.\w+)$`).ReplaceAllString(m.ids["N8"], "+0-3$1"),
		"X7", m.ids["X7"], "X8", x8, "X9", m.ids["X9"], "N7", m.ids["N7"], "N8", m.ids["N8"], "N9", m.ids["N9"],
	).Replace(shape)
	parts := strings.Split(shape, "\t")
	n := len(parts)
	c := firmware.Choice{}
	for ; n > 1 && len(parts[n-1]) > 2 && parts[n-1][1] == '='; n-- {
		value := parts[n-1][2:]
		switch parts[n-1][0] {
		case 'o':
			c.OneShot = value
		case 'p':
			c.Preferred = value
		case 'd':
			c.Default = value
		case 'l':
			c.LastBooted = value
		}
	}
	c.Conf = "timeout 0\n" + strings.Join(parts[:n], "\t")
	return c
}

// says is what list says of a choice.
func (m *rowMachine) says(c firmware.Choice) string {
	m.t.Helper()
	m.must(os.WriteFile(filepath.Join(m.esp, "loader/loader.conf"), []byte(c.Conf), 0o644))
	m.setVar("LoaderEntryOneShot", c.OneShot)
	m.setVar("LoaderEntryPreferred", c.Preferred)
	m.setVar("LoaderEntryDefault", c.Default)
	m.setVar("LoaderEntryLastBooted", c.LastBooted)
	l := m.list()
	var marked []string
	for _, e := range l.Entries {
		if e.Default {
			marked = append(marked, e.ID)
		}
	}
	for _, g := range l.Without {
		if g.Default {
			m.problem("%s is marked, and all have a Xen entry", g.Generation)
		}
	}
	ours := strings.HasPrefix(l.Starts.Entry, "xen-")
	if ours != (len(marked) == 1) || len(marked) > 1 || ours && cutCounter(marked[0]) != cutCounter(l.Starts.Entry) {
		m.problem("list marks %q, and %s starts: %+v", marked, l.Starts.Entry, c)
	}
	_, stdout, stderr := m.command("status", "--json")
	var status struct {
		ESPs []struct{ Next struct{ Entry string } }
	}
	if err := json.Unmarshal([]byte(stdout), &status); err != nil || len(status.ESPs) != 1 {
		m.t.Fatalf("status: %v\n%s%s", err, stdout, stderr)
	}
	if got := status.ESPs[0].Next.Entry; got != l.Starts.Entry {
		m.problem("status says that %q starts, and list %q: %+v", got, l.Starts.Entry, c)
	}
	return l.Starts.Entry
}

// chooseLoaders are the systemd-boots that are asked, by version: Debian's, that of a newer Debian, and those that
// XBB_SYSTEMD_BOOT names.
func chooseLoaders(t *testing.T) map[string]string {
	t.Helper()
	firmware.NeedChoose(t)
	firmware.Need(t, debianLoader)
	firmware.NeedNewer(t)
	return loadersOf(t, presentLoaders())
}

// presentLoaders are those that are there.
func presentLoaders() []string {
	var files []string
	if _, err := os.Stat(debianLoader); err == nil {
		files = append(files, debianLoader)
	}
	if dir, err := firmware.AssetsDir(); err == nil {
		if newer, err := firmware.FindNewer(dir); err == nil {
			files = append(files, newer.SystemdBoot)
		}
	}
	return append(files, filepath.SplitList(os.Getenv("XBB_SYSTEMD_BOOT"))...)
}

// loadersOf are the files by what they say is their version.
func loadersOf(t *testing.T, files []string) map[string]string {
	t.Helper()
	loaders := make(map[string]string)
	for _, file := range files {
		_, after, _ := bytes.Cut(bootRead(t, file), []byte("#### LoaderInfo: systemd-boot "))
		version, _, ok := bytes.Cut(after, []byte(" ####"))
		if !ok {
			t.Fatalf("%s does not say its version", file)
		}
		name, _, _ := strings.Cut(string(version), "-")
		loaders[name] = file
	}
	return loaders
}
