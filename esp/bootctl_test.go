package esp

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bootctl reads entries by code of its own. It insists on an ESP that is a mount point, so
// that this test needs the right to mount a tmpfs in a mount namespace.
func TestBootctlReadsEntry(t *testing.T) {
	t.Parallel()
	t.Run("as encoded", func(t *testing.T) { bootctlReads(t, func(text []byte) []byte { return text }) })
	// Written in place, an entry ends with newlines up to the end of a sector.
	t.Run("padded", func(t *testing.T) {
		bootctlReads(t, func(text []byte) []byte { return append(text, bytes.Repeat([]byte("\n"), 2*SectorSize-len(text))...) })
	})
}

func bootctlReads(t *testing.T, written func(text []byte) []byte) {
	for _, tool := range []string{"bootctl", "unshare", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	if out, err := exec.Command("unshare", "-m", "mount", "-t", "tmpfs", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("no mount namespace: %v: %s", err, out)
	}
	name := Name{
		Kind: Xen, Profile: "lab", Generation: 12, Specialisation: "+s+-+p",
		Tries: &Tries{Left: 3, Done: 1, HasDone: true},
	}
	e := &Entry{}
	e.Add("title", "NixOS (with Xen Hypervisor)")
	e.Add("version", "Generation 12 NixOS 25.11")
	e.Add("efi", "/EFI/xen/xen.efi")
	e.Add("options", "xen.efi -cfg=x.cfg")
	e.Add("options", `more="a b"`)
	e.Add("machine-id", "5e4b2c9d1f7a4e0c8b3d6a9f0e1c2d3b")
	e.Add("sort-key", "nixos")
	text, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	text = written(text)
	if again, err := ParseEntry(text); err != nil || again.Options() != e.Options() {
		t.Errorf("read back, the options are %q (%v)", again.Options(), err)
	}
	tree := t.TempDir()
	for file, content := range map[string][]byte{
		"loader/entries/" + name.String(): text,
		"EFI/xen/xen.efi":                 []byte("xen"),
	} {
		file = filepath.Join(tree, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const script = `mount -t tmpfs none "$1" && cp -r "$2"/. "$1" && exec bootctl --esp-path="$1" list --json=short`
	cmd := exec.Command("unshare", "-m", "sh", "-c", script, "sh", dir, tree)
	cmd.Env = append(os.Environ(), "SYSTEMD_RELAX_ESP_CHECKS=1")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Skipf("bootctl list: %v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	type listed struct {
		ID, Title, Version, Options, EFI, MachineID, SortKey string
		TriesLeft, TriesDone                                 uint
	}
	// Older versions print a sequence of objects, newer ones an array.
	var got listed
	if err := json.Unmarshal(bytes.Trim(out, "[]\n"), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := listed{
		ID: name.ID() + ".conf", Title: "NixOS (with Xen Hypervisor)", Version: "Generation 12 NixOS 25.11",
		Options: e.Options(), EFI: "/EFI/xen/xen.efi", MachineID: "5e4b2c9d1f7a4e0c8b3d6a9f0e1c2d3b", SortKey: "nixos",
		TriesLeft: name.Tries.Left, TriesDone: name.Tries.Done,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
