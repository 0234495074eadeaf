// Package docs_test runs the commands of the documentation on a machine of fixtures, and follows its links.
//
// A block called "sh" is run as it is written, each on a machine of its own; one called "sh ignore (reason)" is not. On that machine
// /boot, /mnt and the key directory are directories below a temporary one, and Xen's entries are there already. Left out: Nix code,
// which the tests in nix/ read, and the commands of README.md that are marked for .ci/run.
package docs_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures/firmware"
)

// pages are the documents, by their path from here.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, pattern := range []string{"../README.md", "../CHANGELOG.md", "*.md", "*/*.md", "../nix/tests/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all[f] = string(text)
		}
	}
	if len(all) < 8 {
		t.Fatalf("only these documents were found: %d", len(all))
	}
	return all
}

func TestCommands(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("not in short mode: it builds the program and signs images")
	}
	program := filepath.Join(t.TempDir(), "xen-boot-builder")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/xen-boot-builder").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ran := 0
	for file, text := range pages(t) {
		for _, b := range fixtures.CodeBlocks(text) {
			place := fmt.Sprintf("%s:%d", file, b.Line)
			switch {
			case b.Language == "nix", b.Language == "text", b.Language == "json":
			case b.Language != "sh":
				t.Errorf("%s: a block of %q: is it sh, nix, or text?", place, b.Language)
			case strings.HasPrefix(b.Info, "ignore"):
				if !regexp.MustCompile(`^ignore \(.{10,}\)$`).MatchString(b.Info) {
					t.Errorf("%s: ignored without a reason: %q", place, b.Info)
				}
			case regexp.MustCompile(`<!-- (demo|test) command -->`).MatchString(b.Before):
			default:
				ran++
				t.Run(place, func(t *testing.T) {
					t.Parallel()
					runBlock(t, program, b.Text)
				})
			}
		}
	}
	if ran < 20 {
		t.Errorf("only %d blocks were run", ran)
	}
}

// runBlock runs one block of shell commands, each of which has to succeed.
func runBlock(t *testing.T, program, text string) {
	t.Helper()
	// Not in t.TempDir: a program that has / once more below a directory sees of it what is on the root
	// file system, and temporary files may be on another.
	dir, err := os.MkdirTemp("/tmp", "docs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if strings.HasPrefix(text, "#!") {
		// A script to copy: it has to be one.
		cmd := exec.Command("bash", "-n")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	signed := strings.Contains(text, "sbctl") || strings.Contains(text, "--sign-command")
	layOut(t, dir, signed)
	putPrograms(t, dir, program)
	if strings.Contains(text, "bootctl") {
		firmware.Need(t, "bootctl", "unshare")
		if out, err := exec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
			t.Skipf("no mount namespace: %v: %s", err, out)
		}
	}
	if strings.Contains(text, "--sign-command") {
		firmware.Need(t, "sbsign")
	}
	if strings.Contains(text, "--esp-image") {
		firmware.Need(t, "mcopy", "sfdisk", "mkfs.vfat")
		if err := firmware.DiskImage(context.Background(), filepath.Join(dir, "esp"), filepath.Join(dir, "copy-of-esp.img")); err != nil {
			t.Fatal(err)
		}
	} else if !signed {
		// What the machine has had since its last rebuild.
		shell(t, dir, "xen-boot-builder install --esp /boot")
	}
	if strings.Contains(text, "bootctl install") || strings.Contains(text, "--allow-unmounted") {
		// A new, empty file system.
		esp := filepath.Join(dir, "esp")
		if err := os.RemoveAll(esp); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(esp, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if signed && strings.HasPrefix(text, "xen-boot-builder verify") {
		shell(t, dir, "xen-boot-builder install --esp /boot --pki-bundle /var/lib/sbctl")
	}
	shell(t, dir, text)
}

// layOut makes the machine: a root, an ESP, keys.
func layOut(t *testing.T, dir string, signed bool) {
	t.Helper()
	keys := filepath.Join(dir, "sbctl")
	if err := fixtures.LayOutKeys(keys, "db"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(keys, "keys/db/db.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	// What docs/secure-boot.md has a token do.
	sign := fmt.Sprintf("#!/bin/sh\nexec sbsign --key %[1]s/keys/db/db.key --cert %[1]s/keys/db/db.pem --output \"$2\" \"$1\"\n", keys)
	secureboot := filepath.Join(dir, "secureboot")
	if err := os.Mkdir(secureboot, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(secureboot, "sign"), []byte(sign), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(keys, "keys/db/db.pem"), filepath.Join(secureboot, "db.pem")); err != nil {
		t.Fatal(err)
	}
	if !signed {
		if err := fixtures.Demo(dir); err != nil {
			t.Fatal(err)
		}
		return
	}
	root := fixtures.NewRoot(filepath.Join(dir, "root"))
	for n := range 2 {
		if _, err := root.Add(fixtures.Generation{Number: n + 1, System: fixtures.System{Xen: &fixtures.Xen{}}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := root.InstallLanzaboote(filepath.Join(dir, "esp"), fixtures.Lanzaboote{}); err != nil {
		t.Fatal(err)
	}
}

// putPrograms puts programs into dir/bin that do on this machine what the real ones do on the reader's.
func putPrograms(t *testing.T, dir, program string) {
	t.Helper()
	bin := filepath.Join(dir, "bin")
	for _, d := range []string{bin, filepath.Join(dir, "esp.there"), filepath.Join(dir, "below")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		// The machine's / and, as /etc/xen-boot-builder.conf says, its ESP.
		"xen-boot-builder": `real=` + program + `
command=install
for word; do case $word in [a-z]*) command=$word; break ;; -*) break ;; esac; done
case $command in quiet|default|info|debug) command=install ;; esac
takes() { "$real" help "$command" | grep -q -e "^ *\(-., \)\?$1 "; }
case " $*" in *" --root"*) ;; *) if takes --root; then set -- "$@" --root "$machine/root"; fi ;; esac
case "$efiMountPoint $*" in /*|*" --esp"*) ;; *) if takes --esp; then set -- "$@" --esp "$machine/esp"; fi ;; esac
exec "$real" "$@"
`,
		// It looks for the root of a file system, which a tmpfs has.
		"bootctl": `case "$*" in *--esp-path*) ;; *) set -- --esp-path="$machine/esp" "$@" ;; esac
export machine SYSTEMD_RELAX_ESP_CHECKS=1
exec unshare -m bash -eu -c '
	mount -t tmpfs none "$machine/esp.there"
	cp -a "$machine/esp/." "$machine/esp.there"
	mount --move "$machine/esp.there" "$machine/esp"
	/usr/bin/bootctl --no-variables --no-pager "$@"
	mount --bind / "$machine/below"
	cp -a "$machine/esp/." "$machine/below$machine/esp"
' bootctl "$@"
`,
		"systemctl": "echo systemctl \"$@\"\n",
	} {
		text = "#!/bin/bash\nmachine=" + dir + "\n" + text
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// places are where the reader's directories are on the machine, those inside others first.
var places = []struct{ reader, machine string }{
	{"/mnt/var/lib/sbctl", "sbctl"},
	{"/mnt/boot", "esp"},
	{"/mnt", "root"},
	{"/var/lib/sbctl", "sbctl"},
	{"/var/lib/pcrlock.d", "pcrlock.d"},
	{"/etc/secureboot", "secureboot"},
	{"/boot", "esp"},
}

func shell(t *testing.T, dir, text string) {
	t.Helper()
	for _, p := range places {
		text = regexp.MustCompile(`(^|[\s='"])`+regexp.QuoteMeta(p.reader)+`([\s/'"]|$)`).
			ReplaceAllString(text, "${1}"+filepath.Join(dir, p.machine)+"${2}")
	}
	cmd := exec.Command("bash", "-euc", text)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "efiMountPoint="}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, text, out)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// TestLinks follows the links from one document to another, and to a heading in it.
func TestLinks(t *testing.T) {
	t.Parallel()
	all := pages(t)
	followed := 0
	for file, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			followed++
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
				continue
			}
			if anchor != "" && !anchors(all[target])[anchor] {
				t.Errorf("%s links to %s, which has no such heading", file, m[1])
			}
		}
	}
	if followed < 20 {
		t.Errorf("only %d links", followed)
	}
}

// anchors are what a document's headings are called in links: lower case, blanks as hyphens, no punctuation.
func anchors(markdown string) map[string]bool {
	all := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(markdown, -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
				return r
			case r == ' ':
				return '-'
			}
			return -1
		}, strings.ToLower(m[1]))
		all[slug] = true
	}
	return all
}
