package pcrlock_test

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/pcrlock"
)

// systemdsOwn is a component that systemd itself installs for PCR 4, byte for byte
// (/usr/lib/pcrlock.d/350-action-efi-application.pcrlock). What it is the digest of is a
// string: the firmware measures it before it starts a boot option.
const systemdsOwn = `{"records":[{"pcr":4,"digests":[{"hashAlg":"sha1","digest":"cd0fdb4531a6ec41be2753ba042637d6e5f7f256"},{"hashAlg":"sha256","digest":"3d6772b4f84ed47595d72a2c4c5ffd15f5bb72c7507fe26f2aaee2c69d5633ba"},{"hashAlg":"sha384","digest":"77a0dab2312b4e1e57a84d865a21e5b2ee8d677a21012ada819d0a98988078d3d740f6346bfe0abaa938ca20439a8d71"},{"hashAlg":"sha512","digest":"03020279c5ea3676d6630c82a9931343225e8eab81529b65c786aeb6a445d3852a34dd193178f938b6b47345a72d4b647df309c971f7c02f0ede296a136a1086"}]}]}` + "\n"

func encode(t testing.TB, content string) string {
	t.Helper()
	d := pcrlock.NewDigests()
	for _, h := range d.Hashes() {
		if _, err := io.WriteString(h, content); err != nil {
			t.Fatal(err)
		}
	}
	text, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEncodeAgainstSystemd(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(systemdsOwn, encode(t, "Calling EFI Application from Boot Option")); diff != "" {
		t.Errorf("systemd (-), we (+):\n%s", diff)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good := encode(t, "an image")
	for name, c := range map[string]struct {
		text string
		want string // "" for none
	}{
		"as encoded":      {good, ""},
		"systemd's":       {systemdsOwn, ""},
		"without newline": {strings.TrimSpace(good), "in another way"},
		"empty":           {"", "unexpected end"},
		"cut off":         {good[:len(good)/2], "unexpected end"},
		"two objects":     {good + good, "after top-level value"},
		"zeros":           {strings.Repeat("\x00", 512), "invalid character"},
		"null":            {"null", "not one record"},
		"no record":       {`{"records":[]}`, "not one record"},
		"two records":     {`{"records":[{"pcr":4,"digests":[]},{"pcr":4,"digests":[]}]}`, "not one record"},
		"another PCR":     {strings.Replace(good, `"pcr":4`, `"pcr":11`, 1), "not one record"},
		"another member":  {strings.Replace(good, `"pcr":4`, `"pcr":4,"recnum":1`, 1), "in another way"},
		"no digest":       {`{"records":[{"pcr":4,"digests":[]}]}`, "0 digests, not 4"},
		"other order":     {strings.NewReplacer("sha1", "sha256", "sha256", "sha1").Replace(good), `digest 0 is of "sha256"`},
		"upper case":      {strings.Replace(good, `"records"`, `"Records"`, 1), "in another way"},
		"no hexadecimal":  {strings.Replace(good, `"sha1","digest":"`, `"sha1","digest":"xx`, 1), "sha1 digest is no 20 bytes"},
		"long digest":     {strings.Replace(good, `"sha512","digest":"`, `"sha512","digest":"00`, 1), "sha512 digest is no 64 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := pcrlock.Check([]byte(c.text))
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// FuzzCheck: nothing crashes it, and what is taken for whole names each bank.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(systemdsOwn))
	f.Add([]byte(`{"records":[{"pcr":4,"digests":[{"hashAlg":"sha1","digest":"00"}]}]}`))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if pcrlock.Check(text) != nil {
			return
		}
		for _, bank := range []string{`"sha1"`, `"sha256"`, `"sha384"`, `"sha512"`} {
			if strings.Count(string(text), bank) != 1 {
				t.Errorf("taken for whole without %s: %q", bank, text)
			}
		}
	})
}
