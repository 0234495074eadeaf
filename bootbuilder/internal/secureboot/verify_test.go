package secureboot_test

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/foxboron/go-uefi/authenticode"
	"github.com/foxboron/go-uefi/pkcs7"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

// Each verdict stands beside those of sbverify and osslsigncode. Where one of
// them comes to another, the reason is next to its name.
func TestVerifyBesidePeers(t *testing.T) {
	t.Parallel()
	db, other, ca, leaf := people().db, people().other, people().ca, people().leaf
	victim, donor := smallImage("victim"), smallImage("donor!")
	signed := sign(t, victim, db)
	start := tableStart(signed)
	type names []string // of peers
	both := names{"sbverify", "osslsigncode"}

	for _, c := range []struct {
		name  string
		image []byte
		with  identity
		want  error
		odd   names // the peers whose verdict is another
	}{
		{"signed", signed, db, nil, nil},
		{"unsigned", victim, db, secureboot.ErrUnsigned, nil},
		{"wrong key", signed, other, secureboot.ErrWrongKey, nil},
		{"signed by what the certificate issued", sign(t, victim, leaf), ca, nil, nil},
		{"signed by what another certificate issued", sign(t, victim, leaf), other, secureboot.ErrWrongKey, nil},
		{"signed by what no CA issued", sign(t, victim, newIdentity(5, "forged", &leaf)), leaf, secureboot.ErrWrongKey, nil},

		{"signature of another file", attach(t, victim, signatureOf(t, donor, db)), db, secureboot.ErrDigestMismatch, nil},
		{"signature of another file with our digest", attach(t, victim, moved(t, donor, victim, db)), db, secureboot.ErrDigestMismatch, nil},
		{"no signed attributes", attach(t, victim, withoutAttributes(t, victim, db)), db, secureboot.ErrMalformed, both}, // PKCS#7 allows it, Authenticode does not
		{"no certificate", attach(t, victim, withoutCertificate(t, victim, db)), db, secureboot.ErrMalformed, nil},

		{"appended byte", append(bytes.Clone(signed), 0), db, secureboot.ErrMalformed, nil},
		{"appended block", append(bytes.Clone(signed), make([]byte, 512)...), db, secureboot.ErrMalformed, nil},
		{"truncated table", signed[:len(signed)-8], db, secureboot.ErrMalformed, nil},
		{"table of 4 bytes", resize(signed[:start+4]), db, secureboot.ErrMalformed, nil},
		{"no table left", signed[:start], db, secureboot.ErrMalformed, nil},
		{"length 0", patch(signed, start, 0, 0, 0, 0), db, secureboot.ErrMalformed, nil},
		{"length of its header", patch(signed, start, 8, 0, 0, 0), db, secureboot.ErrMalformed, nil},
		{"length 4 GiB", patch(signed, start, 0xff, 0xff, 0xff, 0xff), db, secureboot.ErrMalformed, nil},
		{"another revision", patch(signed, start+4, 0, 1), db, secureboot.ErrMalformed, nil},
		{"another type", patch(signed, start+6, 1, 0), db, secureboot.ErrMalformed, nil},
		{"data behind the signature", hide(signed), db, secureboot.ErrMalformed, both}, // look at the message only

		{"ours and another's", twice(t, victim, db, other), db, nil, names{"osslsigncode"}}, // reads one WIN_CERTIFICATE
		{"another's and ours", twice(t, victim, other, db), db, nil, names{"osslsigncode"}},
		{"two others'", twice(t, victim, other, leaf), db, secureboot.ErrWrongKey, nil},
		{"not an image", []byte("MZ"), db, secureboot.ErrMalformed, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := verify(c.image, c.with.cert)
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			for _, peer := range peers() {
				want := (c.want == nil) != slices.Contains(c.odd, peer.name)
				if ok, said := peer.accepts(t, c.image, c.with.cert); ok != want {
					t.Errorf("%s accepts it: %v, want %v\n%s", peer.name, ok, want, said)
				}
			}
		})
	}
}

// Every byte of a signed image counts, but for those nobody protects.
func TestVerifyRefusesEveryChangedByte(t *testing.T) {
	t.Parallel()
	db := people().db
	for name, image := range map[string][]byte{"small": smallImage("hello"), "odd": oddImage()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signed := sign(t, image, db)
			step := 1
			if testing.Short() {
				step = 23 // seconds of RSA
			}
			for at := 0; at < len(signed); at += step {
				for _, flip := range []byte{0x01, 0xff} {
					changed := patch(signed, at, signed[at]^flip)
					if verify(changed, db.cert) == nil && !equivalent(changed, signed) {
						t.Fatalf("byte %#x ^ %#x is not noticed (table at %#x)", at, flip, tableStart(signed))
					}
				}
			}
		})
	}
}

// The same with peers, at places spread over the image: each one costs a process.
func TestPeersRefuseChangedBytes(t *testing.T) {
	t.Parallel()
	db := people().db
	signed := sign(t, smallImage("hello"), db)
	for _, peer := range peers() {
		t.Run(peer.name, func(t *testing.T) {
			t.Parallel()
			for at := 5; at < tableStart(signed); at += 211 {
				if inChecksum(signed, at) {
					continue
				}
				if ok, said := peer.accepts(t, patch(signed, at, ^signed[at]), db.cert); ok {
					t.Errorf("byte %#x is not noticed\n%s", at, said)
				}
			}
		})
	}
}

// sbverify refuses it too; osslsigncode, which made it, does not.
func TestVerifyRefusesSHA1(t *testing.T) {
	t.Parallel()
	db := people().db
	signed := osslsign(t, smallImage("hello"), db, "sha1")
	if err := verify(signed, db.cert); !errors.Is(err, secureboot.ErrMalformed) {
		t.Errorf("error %v", err)
	}
	if ok, said := peers()[0].accepts(t, signed, db.cert); ok {
		t.Errorf("sbverify accepts it\n%s", said)
	}
}

func TestVerifyWithoutCertificate(t *testing.T) {
	t.Parallel()
	if verify(sign(t, smallImage("hello"), people().db), nil) == nil {
		t.Error("accepted")
	}
}

// FuzzVerify changes a signed image: whatever it makes of it must be refused.
func FuzzVerify(f *testing.F) {
	db := people().db
	signed := sign(f, smallImage("hello"), db)
	start := tableStart(signed)
	f.Add(0, []byte{}, 0)
	f.Add(start, []byte{0, 0, 0, 0}, 0)
	f.Add(start+8, []byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, 0)
	f.Add(0x3c, []byte{0xff, 0xff, 0xff, 0x7f}, 0)
	f.Add(len(signed), []byte("appended"), 0)
	f.Add(0, []byte{}, 100)
	f.Add(start, []byte{(signed[start] + 7) &^ 7}, 0) // counts padding
	f.Fuzz(func(t *testing.T, at int, with []byte, cut int) {
		if at < 0 || at > len(signed) || cut < 0 || cut > len(signed) || len(with) > 1<<16 {
			t.Skip()
		}
		changed := bytes.Clone(signed)
		changed = append(changed[:at], append(bytes.Clone(with), changed[min(len(changed), at+len(with)):]...)...)
		changed = changed[:len(changed)-min(cut, len(changed))]
		err := verify(changed, db.cert)
		switch {
		case err == nil && !equivalent(changed, signed):
			t.Error("a changed image is accepted")
		case err != nil && bytes.Equal(changed, signed):
			t.Error(err)
		}
	})
}

// FuzzSignature attaches anything as a signature.
func FuzzSignature(f *testing.F) {
	db, image := people().db, smallImage("hello")
	good := signatureOf(f, image, db)
	f.Add(good)
	f.Add(withoutAttributes(f, image, db))
	f.Add(moved(f, smallImage("donor"), image, db))
	f.Fuzz(func(t *testing.T, der []byte) {
		if len(der) == 0 || len(der) > 1<<16 {
			t.Skip()
		}
		err := verify(attach(t, image, der), db.cert)
		// Some zeros behind it may count as the table's padding.
		same := bytes.HasPrefix(der, good) && len(bytes.Trim(der[len(good):], "\x00")) == 0
		if err == nil && !same {
			t.Errorf("accepted, but not made by the key: %x", der)
		}
	})
}

// tableStart is where an image's certificate table starts.
func tableStart(image []byte) int {
	return int(binary.LittleEndian.Uint32(image[securityEntry(image):]))
}

func optionalHeader(image []byte) int {
	return int(binary.LittleEndian.Uint32(image[0x3c:])) + 24
}

func securityEntry(image []byte) int { return optionalHeader(image) + 112 + 4*8 }

func inChecksum(image []byte, at int) bool {
	sum := optionalHeader(image) + 64
	return at >= sum && at < sum+4
}

// equivalent reports whether image differs from signed in nothing but what nobody
// protects: the CheckSum, and how much padding a certificate's length counts.
func equivalent(image, signed []byte) bool {
	plain := func(b []byte) []byte {
		b = patch(b, optionalHeader(signed)+64, 0, 0, 0, 0)
		start := tableStart(signed)
		length := (binary.LittleEndian.Uint32(b[start:]) + 7) &^ 7
		return patch(b, start, binary.LittleEndian.AppendUint32(nil, length)...)
	}
	return len(image) == len(signed) && bytes.Equal(plain(image), plain(signed))
}

func patch(image []byte, at int, with ...byte) []byte {
	image = bytes.Clone(image)
	copy(image[at:], with)
	return image
}

// resize has the Security directory end where the file does.
func resize(image []byte) []byte {
	size := binary.LittleEndian.AppendUint32(nil, uint32(len(image)-tableStart(image)))
	return patch(image, securityEntry(image)+4, size...)
}

// hide puts data into the certificate, behind the PKCS#7 message.
func hide(image []byte) []byte {
	image = resize(append(bytes.Clone(image), "payload."...))
	start := tableStart(image)
	return patch(image, start, binary.LittleEndian.AppendUint32(nil, uint32(len(image)-start))...)
}

// twice is signed by two, each in a WIN_CERTIFICATE of its own.
func twice(t *testing.T, image []byte, first, second identity) []byte {
	t.Helper()
	a, b := sign(t, image, first), sign(t, image, second)
	return resize(append(a, b[tableStart(b):]...))
}

// moved is the signature of donor with victim's digest put in: what go-uefi's
// Verify takes for one of victim.
func moved(t testing.TB, donor, victim []byte, id identity) []byte {
	t.Helper()
	from, to := authentihash(t, donor), authentihash(t, victim)
	der := signatureOf(t, donor, id)
	if bytes.Count(der, from[:]) != 1 {
		t.Fatal("the digest is not where it was")
	}
	return bytes.Replace(der, from[:], to[:], 1)
}

func withoutAttributes(t testing.TB, image []byte, id identity) []byte {
	return byGoUEFI(t, image, id, pkcs7.NoAttr())
}

func withoutCertificate(t testing.TB, image []byte, id identity) []byte {
	return byGoUEFI(t, image, id, pkcs7.NoCerts())
}

func byGoUEFI(t testing.TB, image []byte, id identity, option pkcs7.Option) []byte {
	t.Helper()
	digest := authentihash(t, image)
	content, err := authenticode.CreateSpcIndirectDataContent(digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := pkcs7.SignPKCS7(id.key, id.cert, authenticode.OIDSpcIndirectDataContent, content, option)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func osslsign(t *testing.T, image []byte, id identity, hash string) []byte {
	t.Helper()
	key, cert := id.write(t)
	in, out := filepath.Join(t.TempDir(), "in.efi"), filepath.Join(t.TempDir(), "out.efi")
	writeFile(t, in, image)
	run(t, "osslsigncode", "sign", "-h", hash, "-key", key, "-certs", cert, "-in", in, "-out", out)
	signed, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}
