package transaction_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/transaction"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/esp/crashfs"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

func TestMain(m *testing.M) {
	fixtures.UseMemory()
	os.Exit(m.Run())
}

// world is what a boot partition is to hold. Names are as they are on it.
type world struct {
	payload map[string]string // EFI/xen/…
	entries map[string]string // loader/entries/…: a text with lines "efi NAME" and "options NAME"
	images  map[string]string // EFI/Linux/…
	conf    string            // what loader.conf starts; "" for no loader.conf
}

const (
	confName = "loader/loader.conf"
	xenDir   = "EFI/xen"
	nixos    = "loader/entries/nixos-1.conf"
)

// generation is one of the shared layout: a Xen, a cfg, an entry.
func (w *world) generation(n int, xen, parameters string) {
	image := fmt.Sprintf("EFI/xen/xen-%s.efi", xen)
	cfg := fmt.Sprintf("EFI/xen/xen-generation-%d-%s.cfg", n, parameters)
	w.payload[image] = image + strings.Repeat(" Xen", 700)
	w.payload[cfg] = cfg + " kernel=vmlinuz " + parameters + "\n"
	w.entry(n, fmt.Sprintf("title Generation %d\nefi %s\noptions %s\n", n, image, cfg))
}

// unified is one of the unified layout.
func (w *world) unified(n int, hash string) {
	name := fmt.Sprintf("EFI/Linux/xen-generation-%d-%s.efi", n, hash)
	w.images[name] = "MZ " + name + strings.Repeat(" unified", 300)
}

func (w *world) entry(n int, text string) {
	w.entries[fmt.Sprintf("loader/entries/xen-generation-%d.conf", n)] = string(transaction.Pad([]byte(text)))
}

func newWorld(conf string, fill func(w *world)) *world {
	w := &world{payload: map[string]string{}, entries: map[string]string{}, images: map[string]string{}, conf: conf}
	if fill != nil {
		fill(w)
	}
	return w
}

// files are all files of a world, and what NixOS has there.
func (w *world) files() map[string]string {
	all := map[string]string{nixos: "title NixOS\nlinux /EFI/nixos/vmlinuz\n", "EFI/nixos/vmlinuz": "Linux"}
	for _, m := range []map[string]string{w.payload, w.entries, w.images} {
		maps.Copy(all, m)
	}
	if w.conf != "" {
		all[confName] = w.confText()
	}
	return all
}

func (w *world) confText() string {
	return "timeout 5\ndefault " + w.conf + "\nconsole-mode keep\n"
}

var confDefault = regexp.MustCompile(`(?m)^default (\S+) *$`)

// change is what brings a partition to a world: what the planning around this package does, in small.
func (w *world) change(f *crashfs.FS) (transaction.Change, error) {
	at := func(name string) transaction.Place { return transaction.Place{FS: f, Name: name} }
	c := transaction.Change{ESP: f, Boot: f, BootsWithoutStale: true}
	have := make(map[string]string)
	var live []transaction.Place
	for _, dir := range []string{xenDir, "EFI/Linux", "loader/entries", "loader"} {
		list, err := f.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return c, err
		}
		for _, d := range list {
			name := path.Join(dir, d.Name())
			if d.IsDir() || strings.HasPrefix(d.Name(), "nixos-") {
				continue
			}
			b, err := esp.ReadFile(f, name, 1<<20)
			if err != nil {
				return c, err
			}
			have[name] = string(b)
			if !remains(name) {
				live = append(live, at(name))
			}
		}
	}
	write := func(kind transaction.Kind, want map[string]string) {
		for _, name := range slices.Sorted(maps.Keys(want)) {
			text, exists := have[name]
			if exists && text == want[name] {
				continue
			}
			t := transaction.Write{Place: at(name), Kind: kind, Size: int64(len(want[name])), Exists: exists, Text: []byte(want[name])}
			if kind == transaction.Image {
				t.Text, t.Fill = nil, func(_ context.Context, to esp.Writer) error { return sign(to, want[name]) }
			}
			c.Writes = append(c.Writes, t)
		}
	}
	write(transaction.Payload, w.payload)
	write(transaction.Image, w.images)
	write(transaction.Entry, w.entries)
	gone := make(map[string]bool)
	all := w.files()
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, needed := all[name]; needed || name == confName {
			continue
		}
		gone[name] = true
		if remains(name) {
			if shared(at(name), live) {
				continue // what is left of a rename
			}
		}
		switch {
		case esp.IsStaged(name):
			c.Leftovers = append(c.Leftovers, at(name))
		case strings.HasPrefix(name, "EFI/Linux/"):
			c.StaleImages = append(c.StaleImages, at(name))
		case strings.HasPrefix(name, xenDir):
			c.StalePayload = append(c.StalePayload, at(name))
		default:
			c.StaleEntries = append(c.StaleEntries, at(name))
		}
	}
	for name := range w.entries {
		for _, ref := range refs(have[name]) {
			blank := transaction.Blank{Place: at(name), Remark: "# makes room"}
			if gone[ref] && !slices.Contains(c.Blank, blank) {
				c.Blank = append(c.Blank, blank)
			}
		}
	}
	slices.SortFunc(c.Blank, func(a, b transaction.Blank) int { return strings.Compare(a.Name, b.Name) })
	before, ok := have[confName]
	if w.conf == "" || ok && confDefault.FindString(before) == "default "+w.conf {
		if len(c.Blank) == 0 {
			return c, nil
		}
	}
	c.LoaderConf = &transaction.ConfChange{Place: at(confName), After: []byte(w.confText())}
	if ok {
		c.LoaderConf.Before = []byte(before)
	}
	if trim(before) != "" {
		c.LoaderConf.After = confDefault.ReplaceAll([]byte(before), []byte("default "+w.conf))
		c.LoaderConf.Detour = confDefault.ReplaceAll([]byte(before), []byte("default nixos-1.conf"))
	}
	return c, nil
}

// shared reports whether a leftover has the clusters of a live file, or whether that can't be told.
func shared(leftover transaction.Place, live []transaction.Place) bool {
	return slices.ContainsFunc(live, func(l transaction.Place) bool {
		ok, err := esp.ShareClusters(l.FS, leftover.Name, l.Name)
		return ok || err != nil
	})
}

// remains reports whether a file has a name that a power cut leaves.
func remains(name string) bool { return esp.IsStaged(name) || esp.IsShortName(path.Base(name)) }

// inMaking reports whether a name is one that nobody looks at.
func inMaking(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), transaction.IsUnfinished)
}

// sign writes as a signer does: it goes back to the header, and reads what it wrote.
func sign(to esp.Writer, text string) error {
	if _, err := to.Write([]byte("MZ" + strings.Repeat("?", len(text)-2))); err != nil {
		return err
	}
	if _, err := to.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	back := make([]byte, len(text))
	if _, err := to.ReadAt(back, 0); err != nil || string(back) != text {
		return fmt.Errorf("read back: %w: %.60q", err, back)
	}
	return nil
}

// refs are the files that an entry names.
func refs(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 && (f[0] == "efi" || f[0] == "options") {
			list = append(list, f[1])
		}
	}
	return list
}

// check says what is wrong on a partition that is between two worlds. It knows nothing of how files are written.
func check(before, after *world, f *crashfs.FS, dropsFirst bool) []string {
	var wrong []string
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	tree := f.Tree()
	known := make(map[string][]string) // the contents that a file may have, blank parts aside
	for _, w := range []*world{before, after} {
		for name, text := range w.files() {
			known[name] = append(known[name], trim(text))
		}
	}
	whole := func(name string) bool { return slices.Contains(known[name], trim(tree[name])) }
	starts := make(map[string]bool) // entries that do
	for name, text := range tree {
		switch {
		case strings.HasSuffix(name, "/"):
			if text != "" && !inMaking(name) {
				bad("directory %s is harmed", name)
			}
		case strings.HasPrefix(name, "EFI/nixos/") || name == nixos:
			if !whole(name) {
				bad("%s of NixOS is %.60q", name, text)
			}
		case strings.HasPrefix(name, "EFI/Linux/") && strings.HasPrefix(text, "MZ"):
			if !whole(name) {
				bad("image %s is %.60q", name, text)
			}
			starts[path.Base(name)] = true
		case strings.HasPrefix(name, "loader/entries/") && strings.HasSuffix(name, ".conf") && len(refs(text)) > 0:
			if !whole(name) {
				bad("entry %s is %.200q", name, text)
			}
			for _, ref := range refs(text) {
				if !whole(ref) {
					bad("entry %s names %s, which is %.60q", name, ref, tree[ref])
				}
			}
			starts[path.Base(name)] = true
		}
	}
	for name := range before.entries {
		if _, stays := after.entries[name]; stays && !starts[path.Base(name)] && !dropsFirst {
			bad("entry %s starts nothing", name)
		}
	}
	m := confDefault.FindStringSubmatch(tree[confName])
	switch {
	case before.conf == "" && strings.Trim(tree[confName], "\n") == "":
	case m == nil:
		bad("loader.conf is %.100q", tree[confName])
	case m[1] != "nixos-1.conf" && !starts[m[1]]:
		bad("loader.conf starts %s, which starts nothing", m[1])
	case !strings.HasPrefix(tree[confName], "timeout 5\n") || !strings.Contains(tree[confName], "\nconsole-mode keep\n"):
		bad("loader.conf is %.100q", tree[confName])
	}
	return wrong
}

// trim takes away what nobody reads.
func trim(text string) string { return strings.TrimRight(text, "\n") }

// same compares a partition with a world, blank parts aside. Directories, and leftovers that have to stay, don't count.
func same(w *world, f *crashfs.FS) []string {
	var wrong []string
	tree := f.Tree()
	for name, want := range w.files() {
		got, ok := tree[name]
		if name == confName {
			got, want = strings.ReplaceAll(got, " \n", "\n"), strings.ReplaceAll(want, " \n", "\n")
		}
		if !ok || trim(got) != trim(want) {
			wrong = append(wrong, fmt.Sprintf("%s is %.60q, want %.60q", name, got, want))
		}
		delete(tree, name)
	}
	for name := range tree {
		if !strings.HasSuffix(name, "/") && !remains(name) && !inMaking(name) {
			wrong = append(wrong, name+" is left")
		}
	}
	return wrong
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// machine is one with a partition that holds a world.
func machine(w *world, g crashfs.Geometry) *crashfs.Machine {
	m := crashfs.NewMachine()
	m.Mount("/boot", g).Fill(w.files())
	return m
}

// install brings a machine to a world, and says whether what is stale went first.
func install(m *crashfs.Machine, w *world) (first bool, r transaction.Record, err error) {
	c, err := w.change(m.FS(0))
	if err != nil {
		return false, r, err
	}
	steps, err := transaction.Plan(c)
	if err != nil {
		return false, r, err
	}
	r, err = steps.Run(context.Background(), transaction.Observer{})
	return steps.DropsFirst(), r, err
}
