package bootbuilder_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// TestPCRLockLifecycle follows the components from the first install to the removal.
func TestPCRLockLifecycle(t *testing.T) {
	t.Parallel()
	r := newPCRRig(t)
	first := r.add(fixtures.Generation{Number: 1, System: fixtures.System{Xen: &fixtures.Xen{Version: "4.19.3"}}})
	r.addXen(2)
	r.rebuild()
	r.installLocked()
	if len(r.images()) != 2 {
		t.Fatalf("images: %v", r.images())
	}
	r.asWanted()
	r.againstOsslsigncode()

	// An upgrade: one image comes, one goes, one stays as it is.
	r.must(r.root.Delete(first))
	r.addXen(3)
	r.rebuild()
	before := r.modTimes()
	r.installLocked()
	r.asWanted()
	stayed := 0
	for name, old := range before {
		if now, ok := r.modTimes()[name]; ok {
			stayed++
			if now != old {
				t.Errorf("%s was written again", name)
			}
		}
	}
	if stayed != 1 {
		t.Errorf("%d components stayed, want 1", stayed)
	}

	r.removeLocked()
	if left := r.components(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// modTimes identifies files: one that is renamed into place has another inode.
func (r *pcrRig) modTimes() map[string]string {
	r.t.Helper()
	times := make(map[string]string)
	for name := range r.components() {
		info, err := os.Stat(filepath.Join(r.dir, name))
		r.must(err)
		if info.Mode().IsRegular() {
			times[name] = fmt.Sprintf("%v %+v", info.ModTime(), info.Sys())
		}
	}
	return times
}

// againstOsslsigncode has the SHA-256 digests calculated by another program. Those of the other
// algorithms are held against it in internal/pe, the JSON against systemd's in internal/pcrlock.
func (r *pcrRig) againstOsslsigncode() {
	r.t.Helper()
	digest := regexp.MustCompile(`Calculated message digest : ([0-9A-F]{64})`)
	for _, image := range r.images() {
		report, err := exec.Command("osslsigncode", "verify", "-in", image).CombinedOutput()
		if errors.Is(err, exec.ErrNotFound) {
			r.t.Log("osslsigncode is not installed: digests are not compared")
			return
		}
		m := digest.FindSubmatch(report) // its exit code is for its trust in a certificate
		if m == nil {
			r.t.Fatalf("osslsigncode:\n%s", report)
		}
		name := path.Join(kernels, strings.TrimSuffix(filepath.Base(image), ".efi")+".pcrlock")
		text, err := os.ReadFile(filepath.Join(r.dir, name))
		r.must(err)
		if want := `{"hashAlg":"sha256","digest":"` + strings.ToLower(string(m[1])) + `"}`; !strings.Contains(string(text), want) {
			r.t.Errorf("%s: no %s in %s", name, want, text)
		}
	}
}

// TestPCRLockUnsigned: of an image without a signature the firmware measures what lies in the file, whereas signing, and
// systemd-pcrlock lock-pe, fill its length up to a multiple of 8 with zeros. TestBootMeasured asks a TPM.
func TestPCRLockUnsigned(t *testing.T) {
	t.Parallel()
	r := newPCRRig(t)
	r.sign(nil)
	r.options.Layout = bootbuilder.LayoutUnified
	// A table with the long names of debug sections ends the file wherever it ends.
	r.options.KeepDebug = true
	odd := fixtures.XenImage(fixtures.XenOptions{Symbols: true, Unstripped: true})
	r.add(fixtures.Generation{Number: 1, System: fixtures.System{Xen: &fixtures.Xen{Image: odd}}})
	r.rebuild()
	r.installLocked()
	r.asWanted()

	image, err := os.ReadFile(r.images()[0])
	r.must(err)
	if len(image)%8 == 0 {
		t.Fatalf("the image has %d bytes: this test needs one that signing would fill up", len(image))
	}
	sum := sha256.Sum256(asMeasured(image))
	want := `{"hashAlg":"sha256","digest":"` + hex.EncodeToString(sum[:]) + `"}`
	if text := r.components()[r.wanted()[1]]; !strings.Contains(text, want) {
		t.Errorf("no %s in %s", want, text)
	}
	// The component is of an image that is there, also where that is not made anew.
	r.must(os.Remove(filepath.Join(r.dir, r.wanted()[1])))
	r.installLocked()
	if text := r.components()[r.wanted()[1]]; !strings.Contains(text, want) {
		t.Errorf("made again, there is no %s in %s", want, text)
	}
}

// asMeasured is an unsigned image whose sections leave no gaps, without CheckSum and the Security directory's entry.
func asMeasured(image []byte) []byte {
	optional := binary.LittleEndian.Uint32(image[0x3c:]) + 24
	checkSum, security := optional+64, optional+112+4*8
	return slices.Concat(image[:checkSum], image[checkSum+4:security], image[security+8:])
}

// TestPCRLockLeavesOthers: what is not of our form stays, and what is damaged is made anew.
func TestPCRLockLeavesOthers(t *testing.T) {
	t.Parallel()
	r := newPCRRig(t)
	r.addXen(1)
	r.rebuild()
	r.installLocked()
	mine := r.wanted()[1]
	whole := r.components()[mine]
	others := []string{
		"350-action-efi-application.pcrlock",
		kernels + "/6.12.58.pcrlock",
		kernels + "/xen-rescue.pcrlock",
		kernels + "/xen-generation-9-0123456789abcdef.pcrlock/x", // a directory
	}
	for _, name := range others {
		writeTo(t, filepath.Join(r.dir, name), "{}")
	}
	gone := []string{
		kernels + "/xen-generation-7-0123456789abcdef.pcrlock",
		kernels + "/.xen-boot-builder-0.tmp",
	}
	for _, name := range gone {
		writeTo(t, filepath.Join(r.dir, name), "{}")
	}
	for _, damage := range []string{"", whole[:len(whole)/2], strings.Replace(whole, ":4", ":5", 1)} {
		writeTo(t, filepath.Join(r.dir, mine), damage)
		r.installLocked()
		if got := r.components()[mine]; got != whole {
			t.Errorf("damaged as %q, it became %q", damage, got)
		}
	}
	for _, name := range gone {
		if _, ok := r.components()[name]; ok {
			t.Errorf("%s is still there", name)
		}
	}
	r.removeLocked()
	for _, name := range others {
		if _, ok := r.components()[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
	if _, ok := r.components()[mine]; ok {
		t.Errorf("%s is still there", mine)
	}
}

// TestPCRLockFollowsImages: where an image had to be written again under its name, so is its component.
func TestPCRLockFollowsImages(t *testing.T) {
	t.Parallel()
	r := newPCRRig(t)
	r.addXen(1)
	r.rebuild()
	r.installLocked()
	mine := r.wanted()[1]
	right := r.components()[mine]
	wrong := regexp.MustCompile(`[0-9a-f]{40}`).ReplaceAllString(right, strings.Repeat("ab", 20))
	image := r.images()[0]
	text, err := os.ReadFile(image)
	r.must(err)
	for _, c := range []struct {
		image []byte
		want  string
	}{
		{text, wrong}, // nothing was written, so nothing is read either
		{append(slices.Clone(text), 0), right},
	} {
		writeTo(t, filepath.Join(r.dir, mine), wrong)
		r.must(os.WriteFile(image, c.image, 0o644))
		r.installLocked()
		if got := r.components()[mine]; got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// TestPCRLockDirectory: the components are variants of the component that NixOS' entries belong to.
func TestPCRLockDirectory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dir, there, want string
	}{
		"by default":      {"pcrlock.d", "pcrlock.d/x", "pcrlock.d/650-kernel.pcrlock.d"},
		"with Lanzaboote": {"pcrlock.d", "pcrlock.d/635-lanzaboote.pcrlock.d/1.pcrlock", "pcrlock.d/635-lanzaboote.pcrlock.d"},
		"a component":     {"pcrlock.d/640-x.pcrlock.d", "pcrlock.d/640-x.pcrlock.d/1.pcrlock", "pcrlock.d/640-x.pcrlock.d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newPCRRig(t)
			r.addXen(1)
			r.rebuild()
			top := r.dir
			r.dir = filepath.Join(top, c.dir)
			writeTo(t, filepath.Join(top, c.there), "{}")
			r.installLocked()
			found, err := filepath.Glob(filepath.Join(top, c.want, "xen-generation-1-*.pcrlock"))
			if err != nil || len(found) != 1 {
				t.Errorf("found %v (%v) in %v", found, err, slices.Sorted(maps.Keys(snapshot(t, top))))
			}
			r.removeLocked()
			if _, err := os.Stat(filepath.Join(top, c.there)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPCRLockMoves: once Lanzaboote measures too, the components move to its own.
func TestPCRLockMoves(t *testing.T) {
	t.Parallel()
	r := newPCRRig(t)
	r.addXen(1)
	r.rebuild()
	r.installLocked()
	before := r.components()[r.wanted()[1]]
	moved := strings.Replace(r.wanted()[1], kernels, "635-lanzaboote.pcrlock.d", 1)
	writeTo(t, filepath.Join(r.dir, path.Dir(moved), "1.pcrlock"), "{}")
	r.installLocked()
	want := map[string]string{path.Dir(moved) + "/": "", path.Dir(moved) + "/1.pcrlock": "{}", moved: before}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(r.components()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.components()[moved] != before {
		t.Errorf("%q became %q", before, r.components()[moved])
	}
}

// TestPCRLockManyESPs: an image that only one ESP still has keeps its component.
func TestPCRLockManyESPs(t *testing.T) {
	t.Parallel()
	r := newPCRRig(t)
	r.addXen(1)
	both := []string{r.esp, t.TempDir()}
	for _, r.esp = range both {
		r.rebuild()
	}
	_, err := r.lock(r.toInstall, both...)
	r.must(err)
	before := r.components()
	_, err = r.lock(func(target bootbuilder.Target) (*bootbuilder.Plan, error) {
		if r.esp == both[0] {
			return r.toRemove(target)
		}
		return r.toInstall(target)
	}, both...)
	r.must(err)
	if diff := cmp.Diff(before, r.components()); diff != "" {
		t.Errorf("(-both +one):\n%s", diff)
	}
}

// TestPCRLockVouchesForNothing: an image that can't be rebuilt, and that the key did not
// sign as it stands, gets no component.
func TestPCRLockVouchesForNothing(t *testing.T) {
	t.Parallel()
	r := newPCRRig(t)
	lost := r.add(fixtures.Generation{Number: 1, System: fixtures.System{Xen: &fixtures.Xen{Version: "4.19.3"}}})
	r.addXen(2)
	r.rebuild()
	r.install()
	r.must(os.Remove(r.root.Path(lost.XenEFI)))
	image := r.images()[0]
	text, err := os.ReadFile(image)
	r.must(err)
	at := strings.LastIndex(string(text), lost.System.Params[0])
	if at < 0 {
		t.Fatal("no command line in the image")
	}
	text[at] ^= 1
	r.must(os.WriteFile(image, text, 0o644))
	_, err = r.lock(r.toInstall, r.esp)
	if err == nil || !strings.Contains(err.Error(), "lock "+image) {
		t.Errorf("got %v, want an error about %s", err, image)
	}
	if diff := cmp.Diff(r.wanted()[2:], slices.Sorted(maps.Keys(r.components()))[1:]); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
}

func TestPCRLockWarns(t *testing.T) {
	t.Parallel()
	t.Run("layout", func(t *testing.T) {
		t.Parallel()
		r := newPCRRig(t)
		r.options.Layout = bootbuilder.LayoutShared
		r.addXen(1)
		r.rebuild()
		r.installLocked()
		if len(r.advice) != 1 || !strings.Contains(r.advice[0], "only unified images") {
			t.Errorf("no advice but %q", r.advice)
		}
		if got := r.components(); len(got) > 0 {
			t.Errorf("components: %v", got)
		}
	})
	t.Run("variants", func(t *testing.T) {
		t.Parallel()
		r := newPCRRig(t)
		r.addXen(1, 2, 3, 4, 5, 6, 7, 8)
		r.rebuild()
		r.installLocked()
		if len(r.warnings) > 0 {
			t.Errorf("eight variants: %q", r.warnings)
		}
		r.addXen(9)
		r.rebuild()
		r.installLocked()
		if len(r.warnings) != 1 || !strings.Contains(r.warnings[0], "9 variants") {
			t.Errorf("nine variants: %q", r.warnings)
		}
		r.options.Limit = 3
		r.installLocked()
		if len(r.warnings) > 0 || len(r.components()) != 4 {
			t.Errorf("three variants: %q %d", r.warnings, len(r.components()))
		}
	})
}

// TestPCRLockOneAtATime: two runs don't work on one directory.
func TestPCRLockOneAtATime(t *testing.T) {
	t.Parallel()
	r := newPCRRig(t)
	open := func() (*bootbuilder.PCRLock, error) {
		dir, err := esp.OpenDir(r.dir)
		r.must(err)
		t.Cleanup(func() { dir.Close() })
		soon, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		return bootbuilder.OpenPCRLock(soon, dir)
	}
	first, err := open()
	r.must(err)
	if _, err := open(); !errors.Is(err, esp.ErrLocked) {
		t.Errorf("got %v, want %v", err, esp.ErrLocked)
	}
	first.Close()
	second, err := open()
	r.must(err)
	second.Close()
}
