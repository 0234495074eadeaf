package bootspec_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
)

// samples returns the files of a directory of testdata, by name without the suffix.
func samples(t testing.TB, directory string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", directory, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples in testdata/%s: %v", directory, err)
	}
	found := make(map[string][]byte)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSuffix(filepath.Base(file), ".json")] = b
	}
	return found
}

func TestValidSamples(t *testing.T) {
	t.Parallel()
	for name, b := range samples(t, "valid") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := bootspec.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(oracle{t, b}.document(), got); diff != "" {
				t.Errorf("encoding/json reads it differently (-encoding/json +Parse):\n%s", diff)
			}
		})
	}
}

func TestInvalidSamples(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"garbage":              "not valid JSON: invalid character 'h' in literal true (expecting 'r') (byte 2)",
		"kernel-param-newline": `org.nixos.bootspec.v1.kernelParams[1]: contains a line break: "b\nramdisk=evil"`,
		"params-null":          "org.xenproject.bootspec.v2.params: must be a list of strings, is null",
		"truncated":            "not valid JSON: unexpected end of JSON input (byte 788)",
	}
	for name, b := range samples(t, "invalid") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := bootspec.Parse(b)
			var fault *bootspec.Error
			if !errors.As(err, &fault) {
				t.Fatalf("want an *Error, got %v", err)
			}
			if err.Error() != want[name] {
				t.Errorf("got  %s\nwant %s", err, want[name])
			}
		})
	}
}

// TestSpecialisationSample pins in plain values what the comparison above shows only to be
// the same on two ways.
func TestSpecialisationSample(t *testing.T) {
	t.Parallel()
	d, err := bootspec.Parse(samples(t, "valid")["specialisation"])
	if err != nil {
		t.Fatal(err)
	}
	const (
		toplevel = "/nix/store/s1f6s7z3v3fzqbyjmhg0g4dy3bwz8zyb-nixos-system-dom0-25.11.20251201.1f2e3d4"
		xen      = "/nix/store/ic4h7mwik39546sd0ajwwszfvkfd86yg-xen-4.20.2-boot/boot/xen-4.20.2"
	)
	want := []bootspec.Specialisation{{Name: "gaming", Document: &bootspec.Document{
		System:       "x86_64-linux",
		Init:         toplevel + "/init",
		Kernel:       "/nix/store/s8rigwp5m5z689d7b51k80r7qdnbbcwd-linux-6.12.58/bzImage",
		Label:        "NixOS Xantusia 25.11.20251201.1f2e3d4 (Linux 6.12.58)",
		Toplevel:     toplevel,
		KernelParams: []string{"root=fstab", "loglevel=4", "lsm=landlock,yama,bpf"},
		Initrd:       "/nix/store/xv47p611yhjgrx6d7gcf4687rwfymw9v-initrd-linux-6.12.58/initrd",
		SystemdBoot:  bootspec.SystemdBoot{SortKey: "nixos"},
		Xen: &bootspec.Xen{
			ExtensionVersion: 2,
			EFIPath:          xen + ".efi",
			MultibootPath:    xen,
			Version:          "4.20.2",
			Params:           []string{"dom0_mem=2G"},
		},
	}}}
	if diff := cmp.Diff(want, d.Specialisations); diff != "" {
		t.Errorf("specialisations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"dom0_mem=4096M,max:4096M", "dom0_max_vcpus=4"}, d.Xen.Params); diff != "" {
		t.Errorf("the parent's own parameters (-want +got):\n%s", diff)
	}
}
