package bootbuilder_test

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// newSigned is a machine with two generations, laid out to be signed.
func newSigned(t *testing.T) *machine {
	t.Helper()
	b := newMachine(t).withLayout(bootbuilder.LayoutUnified)
	b.add(fixtures.Generation{Number: 1, System: xenSystem("4.19.3")})
	b.add(fixtures.Generation{Number: 2, System: xenSystem("4.20.2")})
	b.lanzaboote(fixtures.Lanzaboote{})
	return b
}

func (b *machine) images() []string { return b.glob("EFI/Linux/xen-*.efi") }

// wantSigned wants each Xen image on $BOOT to have a signature by sign.
func (b *machine) wantSigned(sign bootbuilder.Signer) {
	b.t.Helper()
	images := b.images()
	if len(images) == 0 {
		b.t.Error("no images")
	}
	for _, name := range images {
		data := b.read(name)
		if err := secureboot.Verify(strings.NewReader(data), int64(len(data)), sign.Certificate()); err != nil {
			b.t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSigned signs, changes nothing at a second run, and repairs what was damaged: at once where the image
// doesn't have the form of a complete one, else once verify has told.
func TestSigned(t *testing.T) {
	t.Parallel()
	b := newSigned(t)
	b.installTwice()
	b.wantSigned(b.signer)
	b.wantHealthy()
	installed := b.trees()
	image := b.one("EFI/Linux/xen-generation-2-*.efi")
	data := b.read(image)
	_, kernelEnd := b.sectionSpan(image, ".kernel")
	for name, damage := range map[string]struct {
		inflict func()
		form    bool
	}{
		"header":    {func() { b.flip(image, 0x58) }, false},
		"kernel":    {func() { b.flip(image, kernelEnd-1) }, false},
		"signature": {func() { b.flip(image, len(data)-64) }, false},
		"other key": {func() { b.reassemble(image, testSigner(t, "other"), nil) }, false},
		"cut off":   {func() { b.truncate(image, 1) }, true},
		"longer":    {func() { b.write(image, data+"12345678") }, true},
		"empty":     {func() { b.write(image, "") }, true},
		"unsigned":  {func() { b.reassemble(image, nil, nil) }, true},
	} {
		damage.inflict()
		if b.read(image) == data {
			t.Fatalf("%s: nothing was damaged", name)
		}
		if b.verify().OK() {
			t.Errorf("%s: verify finds nothing", name)
		}
		r := b.tryInstall()
		if r.Err != nil {
			t.Errorf("%s: %v", name, r.Err)
			b.write(image, data)
			continue
		}
		want := bootbuilder.Unchanged
		if damage.form {
			want = bootbuilder.Changed
		}
		if g := reported(t, r.Report, "xen-generation-2"); g.State != want {
			t.Errorf("%s: generation 2 is %s", name, g.State)
		}
		if !damage.form {
			b.delete(image)
			b.install()
		}
		b.wantTrees(installed)
	}
}

// TestSignedByAnotherKey wants new names for all images, and the old ones gone.
func TestSignedByAnotherKey(t *testing.T) {
	t.Parallel()
	b := newSigned(t)
	b.install()
	first := b.images()
	b.sign(testSigner(t, "other"))
	b.installTwice()
	second := b.images()
	if len(first) != 2 || len(second) != 2 || first[0] == second[0] || first[1] == second[1] {
		t.Errorf("images were %q and are %q", first, second)
	}
	b.wantSigned(b.signer)
	b.wantHealthy()

	b.sign(nil)
	b.installTwice()
	for _, name := range append(first, second...) {
		if _, err := os.Stat(b.path(name)); err == nil {
			t.Errorf("%s is left", name)
		}
	}
	b.wantHealthy()
}

// TestSignedAuto wants the unified layout where there is a key.
func TestSignedAuto(t *testing.T) {
	t.Parallel()
	b := newSigned(t)
	b.options.Layout = bootbuilder.LayoutAuto
	if r := b.install(); r.Layout != bootbuilder.LayoutUnified {
		t.Errorf("with a key the layout is %s", r.Layout)
	}
	b.sign(nil)
	if r := b.install(); r.Layout != bootbuilder.LayoutShared {
		t.Errorf("without one the layout is %s", r.Layout)
	}
	b.wantHealthy()
}

// signingScript makes a signer of a shell script, with sbsign's arguments for the key in $SIGN.
func signingScript(t *testing.T, script string) content.FileSigner {
	t.Helper()
	dir := t.TempDir()
	if err := fixtures.LayOutKeys(dir, "db"); err != nil {
		t.Fatal(err)
	}
	cert, err := bootbuilder.LoadCertificate(filepath.Join(dir, "keys/db/db.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(script, "$SIGN") {
		if _, err := exec.LookPath("sbsign"); err != nil {
			t.Skip("sbsign is not installed: ", err)
		}
	}
	head := "set -e\nunsigned=$1 signed=$2\nSIGN='sbsign --key " + dir + "/keys/db/db.key --cert " + dir + "/keys/db/db.pem'\n"
	return bootbuilder.NewCommandSigner([]string{"/bin/sh", "-c", head + script, "sign"}, cert).(content.FileSigner)
}

// TestSigningProgram takes over what sbsign signs.
func TestSigningProgram(t *testing.T) {
	t.Parallel()
	b := newSigned(t)
	b.sign(signingScript(t, `$SIGN --output "$signed" "$unsigned"`))
	b.installTwice()
	b.wantSigned(b.signer)
	b.wantHealthy()
	// The key in memory makes images of the same names, and takes the program's as they are.
	installed := b.trees()
	b.sign(testSigner(t, "db"))
	b.install()
	b.wantTrees(installed)
}

// TestSigningProgramFails wants a clear error and the ESP as it was.
func TestSigningProgramFails(t *testing.T) {
	t.Parallel()
	const refused = "what the signing program made is refused"
	for name, c := range map[string]struct{ script, says string }{
		"fails":           {`echo no token in the slot >&2; exit 5`, "no token in the slot"},
		"writes nothing":  {`exit 0`, "wrote nothing"},
		"writes no image": {`echo text > "$signed"`, refused},
		"does not sign":   {`cp "$unsigned" "$signed"`, refused},
		"makes it empty":  {`: > "$signed"`, "empty"},
		"signs another image": {`cp "$unsigned" "$signed.x"
printf X | dd of="$signed.x" bs=1 seek=88 conv=notrunc 2>/dev/null
$SIGN --output "$signed" "$signed.x"`, refused},
		"adds data": {`$SIGN --output "$signed" "$unsigned"; printf 12345678 >> "$signed"`, refused},
		"changes it after": {`$SIGN --output "$signed" "$unsigned"
printf X | dd of="$signed" bs=1 seek=88 conv=notrunc 2>/dev/null`, refused},
		"signs in place": {`$SIGN --output "$unsigned" "$unsigned"`, "wrote nothing"},
		"links":          {`$SIGN --output "$signed.x" "$unsigned"; ln -s "$signed.x" "$signed"`, "no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSigned(t)
			b.sign(signingScript(t, c.script))
			before := b.trees()
			err := b.tryInstall().Err
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
			if err != nil && !strings.Contains(err.Error(), "EFI/Linux/xen-generation-") {
				t.Errorf("the error names no image: %v", err)
			}
			if d := diffTrees(before, b.trees()); d != "" {
				t.Errorf("the ESP changed:\n%s", d)
			}
		})
	}
	t.Run("another key", func(t *testing.T) {
		t.Parallel()
		b := newSigned(t)
		sign := signingScript(t, `$SIGN --output "$signed" "$unsigned"`)
		b.sign(otherCertificate{sign, testSigner(t, "other")})
		before := b.trees()
		if err := b.tryInstall().Err; err == nil || !strings.Contains(err.Error(), refused) {
			t.Errorf("error %v", err)
		}
		b.wantTrees(before)
	})
	t.Run("no program", func(t *testing.T) {
		t.Parallel()
		b := newSigned(t)
		b.sign(bootbuilder.NewCommandSigner([]string{"/no/such/program"}, b.options.Certificate))
		before := b.trees()
		if err := b.tryInstall().Err; err == nil || !strings.Contains(err.Error(), "/no/such/program") {
			t.Errorf("error %v", err)
		}
		b.wantTrees(before)
	})
}

// otherCertificate is a program that signs with another key than it says.
type otherCertificate struct {
	content.FileSigner
	other bootbuilder.Signer
}

func (o otherCertificate) Certificate() *x509.Certificate { return o.other.Certificate() }
