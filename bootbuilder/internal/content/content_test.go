package content_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/content"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nixroot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

var ctx = context.Background()

// bench is a root with a few files of the store, and a $BOOT, in directories.
type bench struct {
	t          *testing.T
	root, boot string
	fsys       *esp.Dir
	r          *content.Reader
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, root: t.TempDir(), boot: t.TempDir()}
	root, err := nixroot.Open(b.root)
	b.must(err)
	t.Cleanup(func() { root.Close() })
	b.fsys, err = esp.OpenDir(b.boot)
	b.must(err)
	t.Cleanup(func() { b.fsys.Close() })
	b.r = content.NewReader(root, b.fsys)
	b.put(b.root, "store/xen.efi", string(fixtures.XenImage(fixtures.XenOptions{})))
	b.put(b.root, "store/kernel", "a kernel")
	b.put(b.root, "store/initrd", "initrd")
	b.put(b.boot, "secrets", "with secrets")
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) put(dir, name, text string) {
	b.t.Helper()
	b.must(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
	b.must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
}

// write makes a file on $BOOT.
func (b *bench) write(c content.Content, name string) error {
	b.t.Helper()
	_ = os.Remove(filepath.Join(b.boot, name))
	w, err := b.fsys.Create(name)
	b.must(err)
	defer w.Close()
	return c.Write(ctx, b.r, nil, w)
}

func (b *bench) read(name string) string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.boot, name))
	b.must(err)
	return string(text)
}

func (b *bench) same(c content.Content, name string) bool {
	b.t.Helper()
	same, err := c.Same(ctx, b.r, name)
	b.must(err)
	return same
}

func (b *bench) identity(c content.Content) string {
	b.t.Helper()
	id, err := c.Identity(ctx, b.r)
	b.must(err)
	return id
}

var (
	xen     = content.Source{Store: "/store/xen.efi"}
	kernel  = content.Source{Store: "/store/kernel"}
	initrd  = content.Source{Store: "/store/initrd"}
	secrets = content.Source{Boot: "secrets"}
)

func image(text string, files ...content.Source) content.Image {
	return content.Image{Base: xen, Sections: []content.Section{{Name: ".config", Text: []byte(text)}, {Name: ".kernel", Files: files}}}
}

// contents are one of each kind.
func contents() map[string]content.Content {
	return map[string]content.Content{
		"text":   content.Text("line\n"),
		"copy":   content.Copy{From: kernel},
		"joined": content.Joined{Parts: []content.Source{initrd, secrets}},
		"image":  image("cfg", kernel, secrets),
	}
}

// TestContent: what was written is the same, has the size that was promised at most, and any change of it is seen.
func TestContent(t *testing.T) {
	t.Parallel()
	for name, c := range contents() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if b.same(c, "new") {
				t.Error("a file that is not there is the same")
			}
			b.must(b.write(c, "new"))
			if !b.same(c, "new") {
				t.Error("what was written is not the same")
			}
			text := b.read("new")
			if size, err := c.Size(b.r); err != nil || size < int64(len(text)) || size > int64(len(text))+8 {
				t.Errorf("size %d (%v), written are %d", size, err, len(text))
			}
			for what, other := range map[string]string{
				"cut off": text[:len(text)/2], "empty": "", "longer": text + "x", "changed": strings.ToUpper(text[:3]) + text[3:],
			} {
				if other == text {
					other = "?" + text[1:]
				}
				b = newBench(t)
				b.put(b.boot, "new", other)
				if what == "empty" {
					continue // an error to some, not the same to others: it is never asked
				}
				if same, _ := c.Same(ctx, b.r, "new"); same {
					t.Errorf("%s: the same", what)
				}
			}
		})
	}
	b := newBench(t)
	b.put(b.boot, "padded", "line\n\n\n\n")
	if !b.same(content.Text("line\n"), "padded") {
		t.Error("a padded text is not the same")
	}
	b.must(b.write(content.Joined{Parts: []content.Source{initrd, secrets}}, "joined"))
	if got, want := b.read("joined"), "initrd\x00\x00with secrets"; got != want {
		t.Errorf("joined: %q, want %q", got, want)
	}
}

// TestIdentity tells apart what is different, and nothing else.
func TestIdentity(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put(b.boot, "other", "other secrets")
	b.put(b.boot, "twin", "with secrets")
	cert := certificate(t, "db")
	signed := func(c *x509.Certificate) content.Image {
		m := image("cfg", kernel)
		m.Certificate = c
		return m
	}
	debug := image("cfg", kernel)
	debug.KeepDebug = true
	different := []content.Content{
		content.Text("a"), content.Text("b"), content.Copy{From: kernel}, content.Copy{From: initrd}, content.Copy{From: secrets},
		content.Joined{Parts: []content.Source{kernel, secrets}}, content.Joined{Parts: []content.Source{secrets, kernel}},
		image("cfg", kernel), image("cfh", kernel), image("cfg", initrd), image("cfg", kernel, secrets), image("cfg", kernel, content.Source{Boot: "other"}),
		signed(cert), signed(certificate(t, "other")), debug,
	}
	seen := make(map[string]int)
	for i, c := range different {
		id := b.identity(c)
		if other, ok := seen[id]; ok {
			t.Errorf("%d and %d have one identity %s", i, other, id)
		}
		seen[id] = i
		if again := b.identity(c); again != id {
			t.Errorf("%d: %s, then %s", i, id, again)
		}
	}
	if b.identity(image("cfg", secrets)) != b.identity(image("cfg", content.Source{Boot: "twin"})) {
		t.Error("the same bytes on $BOOT have two identities")
	}
}

func certificate(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	pair, err := fixtures.Keys(name)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(pair.Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestChangedMeanwhile: a file on $BOOT that is no longer what it was when it was planned ends the write.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]content.Content{
		"copy":   content.Copy{From: secrets},
		"joined": content.Joined{Parts: []content.Source{initrd, secrets}},
		"image":  image("cfg", secrets),
	} {
		for what, text := range map[string]string{"another byte": "With secrets", "shorter": "with secret", "longer": "with secrets and more", "empty": ""} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				before := b.identity(c) // planning reads it
				b.put(b.boot, "secrets", text)
				if err := b.write(c, "new"); err == nil {
					t.Errorf("it was written: %q", b.read("new"))
				}
				if b.identity(c) != before {
					t.Error("what was planned changed")
				}
			})
		}
	}
}

// TestLooks reads no kernel: what is as long as it may be another.
func TestLooks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	m := image("cfg", kernel)
	b.must(b.write(m, "new"))
	text := b.read("new")
	for what, c := range map[string]struct {
		text string
		want bool
	}{
		"as written":     {text, true},
		"another kernel": {strings.Replace(text, "a kernel", "A KERNEL", 1), true},
		"another config": {strings.Replace(text, "cfg", "CFG", 1), false},
		"cut off":        {text[:len(text)/2], false},
		"text":           {"no image", false},
		"empty":          {"", false},
	} {
		b.put(b.boot, "new", c.text)
		if got := m.Looks(b.r, "new"); got != c.want {
			t.Errorf("%s: looks %v", what, got)
		}
	}
	signed := m
	signed.Certificate = certificate(t, "db")
	b.put(b.boot, "new", text)
	if signed.Looks(b.r, "new") {
		t.Error("an unsigned image looks like a signed one")
	}
}

// TestCanceled ends with its context.
func TestCanceled(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for name, c := range contents() {
		if name == "text" {
			continue
		}
		b := newBench(t)
		w, err := b.fsys.Create("new")
		b.must(err)
		if err := c.Write(ended, b.r, nil, w); err == nil {
			t.Errorf("%s: it was written", name)
		}
		b.must(w.Close())
	}
}
