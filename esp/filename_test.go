package esp

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestBootPath(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path, want string
	}{
		{"/EFI/nixos/x.efi", "EFI/nixos/x.efi"},
		{"EFI/nixos/x.efi", "EFI/nixos/x.efi"},
		{`\EFI\nixos\x.efi`, "EFI/nixos/x.efi"},
		{`EFI\nixos\x`, "EFI/nixos/x"},
		{`//EFI\/nixos///x.efi`, "EFI/nixos/x.efi"},
		{"/./EFI/./x.efi", "EFI/x.efi"},
		{"/EFI/my profile/ä.efi", "EFI/my profile/ä.efi"},
		{"/EFI/..x/x..efi", "EFI/..x/x..efi"},
		{"", ""},
		{"/", ""},
		{`\\`, ""},
		{".", ""},
		{"..", ""},
		{"/EFI/../x", ""},
		{`\EFI\..\..\x`, ""},
		{"/EFI/x/..", ""},
		{"/EFI/x\n", ""},
		{"/EFI/x\x00.efi", ""},
		{"/EFI/\x7f", ""},
		{"/EFI/\xff", ""},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			got, ok := BootPath(tt.path)
			if got != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %v; want %q", got, ok, tt.want)
			}
			if ok && !fs.ValidPath(got) {
				t.Errorf("%q is not a valid path", got)
			}
		})
	}
}

func TestValidFileName(t *testing.T) {
	t.Parallel()
	for _, name := range validNames() {
		if err := ValidFileName(name); err != nil {
			t.Error(err)
		}
	}
	tests := map[string]string{
		"":                       "empty",
		".":                      "at the end",
		"..":                     "at the end",
		"x.":                     "at the end",
		"x ":                     "at the end",
		"a/b":                    "'/' is not possible",
		`a\b`:                    `'\\' is not possible`,
		"a:b":                    "':' is not possible",
		"a*b":                    "'*' is not possible",
		"a?b":                    "'?' is not possible",
		`a"b`:                    "'\"' is not possible",
		"a<b":                    "'<' is not possible",
		"a>b":                    "'>' is not possible",
		"a|b":                    "'|' is not possible",
		"a\nb":                   "'\\n' is not possible",
		"a\x00b":                 "'\\x00' is not possible",
		"a\x7fb":                 "'\\x7f' is not possible",
		"a\xffb":                 "invalid UTF-8",
		strings.Repeat("x", 256): "256 UTF-16 units",
		strings.Repeat("𝄞", 128): "256 UTF-16 units",
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := ValidFileName(name)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one with %q", err, want)
			}
		})
	}
}

func validNames() []string {
	return []string{
		"xen-generation-1.conf",
		"xen-a&b_$x[1]-generation-2.conf",
		"xen-my profile-generation-2+3-1.conf",
		"xen-generation-4-specialisation-+something+-+that+-+breaks-parsing+-+.conf",
		".hidden",
		"a,b;c=d'e(f)g{h}i@j~k!l%m^n`o#p.cfg",
		"größe.conf",
		strings.Repeat("x", 255),
	}
}

// The names that are held valid come back from a real FAT as they went in.
func TestValidFileNamesOnFAT(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"mformat", "mcopy", "mdir"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	image := filepath.Join(dir, "fat.img")
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		return string(out)
	}
	run("mformat", "-C", "-i", image, "-f", "1440", "::")
	for _, name := range validNames() {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		run("mcopy", "-i", image, file, "::/")
	}
	listed := strings.Split(run("mdir", "-b", "-a", "-i", image, "::/"), "\n")
	for _, name := range validNames() {
		found := false
		for _, l := range listed {
			found = found || l == "::/"+name
		}
		if !found {
			t.Errorf("%q is not on the FAT: %q", name, listed)
		}
	}
}
