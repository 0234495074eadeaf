package secureboot_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pe"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
	"github.com/xen-boot-builder/xen-boot-builder/fixtures"
)

// seqFile is memFile for [pe.Destination]. Nothing can be read back from it.
type seqFile struct{ f memFile }

func (s *seqFile) Write(p []byte) (int, error) {
	s.f.data = append(s.f.data, p...)
	return len(p), nil
}

func (s *seqFile) WriteAt(p []byte, off int64) (int, error) { return s.f.WriteAt(p, off) }

// TestStreamedBesidePeers signs what was streamed, without reading any of it back, and asks everybody.
func TestStreamedBesidePeers(t *testing.T) {
	t.Parallel()
	db := people().db
	v := must(secureboot.NewVerifier(db.cert))
	bases := map[string][]byte{
		"small":    smallImage("hello"),
		"xen-like": oddImage(),
		"Pad":      fixtures.XenImage(fixtures.XenOptions{}),
	}
	if b := systemdBoot(); b != nil {
		bases["systemd-boot"] = b
	}
	if dir := os.Getenv("XBB_ASSETS"); dir != "" {
		bases["xen"] = must(os.ReadFile(filepath.Join(dir, "xen.efi")))
	}
	for name, base := range bases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			im := must(pe.Parse(bytes.NewReader(base), int64(len(base))))
			kernel := strings.Repeat("k", 99_999)
			a := must(im.Append(
				pe.NewSection{Name: ".kernel", Data: strings.NewReader(kernel), Size: int64(len(kernel))},
				pe.NewSection{Name: ".ramdisk", Data: strings.NewReader("r"), Size: 1},
			))
			var w seqFile
			size, err := a.WriteSigned(&w, func(s *pe.Streamed) ([]byte, error) {
				digest, err := s.Authentihash()
				if err != nil {
					return nil, err
				}
				der, err := db.pair.SignDigest(digest)
				if err != nil {
					return nil, err
				}
				return der, v.VerifySignature(der, digest)
			})
			signed := w.f.data
			if err != nil || size != int64(len(signed)) {
				t.Fatalf("%d of %d bytes, %v", size, len(signed), err)
			}
			if err := verify(signed, db.cert); err != nil {
				t.Error(err)
			}
			m, err := a.MatchSigned(bytes.NewReader(signed), size)
			if err != nil || m == nil {
				t.Fatalf("it is not what it was made from: %v", err)
			}
			if err := v.VerifyTable(m.Table, must(m.Authentihash())); err != nil {
				t.Error(err)
			}
			for _, peer := range peers() {
				if ok, said := peer.accepts(t, signed, db.cert); !ok {
					t.Errorf("%s refuses it:\n%s", peer.name, said)
				}
			}
		})
	}
}

// TestContentWithoutPlace: of an image that has a section with content, but no place in the file, tools come
// to different digests (sbverify 0.9.4 refuses what sbsign made), so it is neither signed nor trusted.
func TestContentWithoutPlace(t *testing.T) {
	t.Parallel()
	db := people().db
	image := fixtures.PE(
		fixtures.Section{Name: ".text", Data: bytes.Repeat([]byte{0xcc}, 700), Characteristics: fixtures.SectionCode},
		fixtures.Section{Name: ".config", Data: []byte("x")},
		fixtures.Section{Name: ".bss"},
	)
	at := bytes.Index(image, []byte(".bss\x00\x00\x00\x00"))
	binary.LittleEndian.PutUint32(image[at+16:], 0x200)
	binary.LittleEndian.PutUint32(image[at+20:], 0)
	binary.LittleEndian.PutUint32(image[at+8:], 0x200)
	if _, err := pe.Parse(bytes.NewReader(image), int64(len(image))); err == nil || !strings.Contains(err.Error(), "no place in the file") {
		t.Errorf("Parse: %v", err)
	}
	if _, err := pe.Authentihash(bytes.NewReader(image), int64(len(image))); err == nil {
		t.Error("Authentihash: no error")
	}
	need(t, "sbsign")
	key, cert := db.write(t)
	in, out := filepath.Join(t.TempDir(), "in.efi"), filepath.Join(t.TempDir(), "out.efi")
	writeFile(t, in, image)
	run(t, "sbsign", "--key", key, "--cert", cert, "--output", out, in)
	signed := must(os.ReadFile(out))
	if err := verify(signed, db.cert); err == nil {
		t.Error("we take it")
	}
	_, said := peers()[0].accepts(t, signed, db.cert)
	t.Logf("sbverify of what sbsign made:\n%s", said)
}
