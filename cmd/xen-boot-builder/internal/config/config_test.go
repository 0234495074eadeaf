package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func TestParse(t *testing.T) {
	t.Parallel()
	const text = `# where
esp /boot
  esp	/boot2	` + "\r" + `

   # how
limit 10
allow-unmounted
variant verbose=/etc/xen/verbose # loud
sign-command /run/with blanks/sign`
	want := []Setting{
		{2, "esp", "/boot"},
		{3, "esp", "/boot2"},
		{6, "limit", "10"},
		{7, "allow-unmounted", ""},
		{8, "variant", "verbose=/etc/xen/verbose # loud"},
		{9, "sign-command", "/run/with blanks/sign"},
	}
	got, err := Parse("x.conf", text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got, err := Parse("x.conf", ""); err != nil || got != nil {
		t.Errorf("an empty file: %v, %v", got, err)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\n--esp /boot":                `x.conf:2: flags are written without dashes here: "esp /boot"`,
		"-n":                           `x.conf:1: flags are written without dashes here: "n"`,
		"esp=/boot":                    `x.conf:1: a blank stands between a flag and its value, and no "=": "esp /boot"`,
		"#\nesp = /boot":               `x.conf:2: a blank stands between a flag and its value, and no "=": "esp /boot"`,
		"esp =/boot":                   `x.conf:1: a blank stands between a flag and its value, and no "=": "esp /boot"`,
		"esp /b\x00oot":                `x.conf:1: it holds a control character`,
		"esp /b\x1boot":                `x.conf:1: it holds a control character`,
		"esp /b\xffoot":                `x.conf:1: it is not UTF-8`,
		strings.Repeat("#", MaxSize+1): `x.conf has more than 65536 bytes: it is not a configuration file`,
	} {
		if _, err := Parse("x.conf", text); err == nil || err.Error() != want {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

// values are what the flags of a test are set to.
type values struct {
	ESP, Boot, Layout string
	Image             string
	Variants          []string
	Limit             int
	Unmounted         bool
	Secrets           string
}

func (v *values) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.StringVar(&v.ESP, "esp", "", "")
	f.StringVar(&v.Boot, "boot", "", "")
	f.StringVar(&v.Image, "esp-image", "", "")
	f.StringVar(&v.Layout, "layout", "auto", "")
	f.StringArrayVar(&v.Variants, "variant", []string{"default"}, "")
	f.IntVar(&v.Limit, "limit", 0, "")
	f.BoolVar(&v.Unmounted, "allow-unmounted", false, "")
	f.StringVar(&v.Secrets, "run-initrd-secrets", "", "")
	f.Lookup("run-initrd-secrets").NoOptDefVal = "always"
	f.Bool("help", false, "")
	return f
}

var rules = Rules{
	Settable: func(flag string) bool { return flag != "help" },
	Group: func(flag string) string {
		if flag == "esp" || flag == "boot" || flag == "esp-image" {
			return "place"
		}
		return ""
	},
	Check: func(flag, value string) error {
		if flag == "layout" && value == "both" {
			return errors.New("no such layout")
		}
		return new(values).flags().Set(flag, value)
	},
}

func TestApply(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file string
		args       []string
		want       values
	}{
		{name: "nothing", want: values{Layout: "auto", Variants: []string{"default"}}},
		{
			name: "all from the file",
			file: "esp /boot\nboot /xbootldr\nlayout shared\nvariant a=1\nvariant b=2\nlimit 5\nallow-unmounted\nrun-initrd-secrets",
			want: values{ESP: "/boot", Boot: "/xbootldr", Layout: "shared", Variants: []string{"a=1", "b=2"}, Limit: 5, Unmounted: true, Secrets: "always"},
		},
		{
			name: "the command line wins, and replaces a list",
			file: "layout shared\nvariant a=1\nvariant b=2\nallow-unmounted\nlimit 5\nrun-initrd-secrets auto",
			args: []string{"--layout", "embedded", "--variant", "c=3", "--allow-unmounted=false"},
			want: values{Layout: "embedded", Variants: []string{"c=3"}, Limit: 5, Secrets: "auto"},
		},
		{
			name: "one of a group outdoes all of it",
			file: "esp /boot\nboot /xbootldr\nlimit 5",
			args: []string{"--esp-image", "x.img"},
			want: values{Image: "x.img", Layout: "auto", Variants: []string{"default"}, Limit: 5},
		},
		{name: "a switch with its word", file: "allow-unmounted false", want: values{Layout: "auto", Variants: []string{"default"}}},
	} {
		var got values
		flags := got.flags()
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		settings, err := Parse("x.conf", c.file)
		if err == nil {
			err = Apply("x.conf", settings, flags, rules)
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func TestApplyErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, want string }{
		{"\nlimt 5", `x.conf:2: "limt" is not a flag`},
		{"n", `x.conf:1: "n" is not a flag`},
		{"help", `x.conf:1: help belongs on the command line only`},
		{"esp", `x.conf:1: esp needs a value`},
		{"allow-unmounted perhaps", `x.conf:1: allow-unmounted is true or false, not "perhaps"`},
		{"\n#\nlayout both", `x.conf:3: no such layout`},
		{"limit 1\n\nlimit 2", `x.conf:3: limit is set already, in line 1`},
		{"limit many", `x.conf:1: invalid argument "many" for "--limit" flag: must be an integer`},
	} {
		var v values
		flags := v.flags()
		settings, err := Parse("x.conf", c.file)
		if err != nil {
			t.Fatal(err)
		}
		// It is an error even where the command line has a value.
		if err := flags.Parse([]string{"--esp", "/boot", "--limit", "1", "--layout", "shared"}); err != nil {
			t.Fatal(err)
		}
		err = Apply("x.conf", settings, flags, rules)
		if err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.file, err, c.want)
		}
		var typed *Error
		if !errors.As(err, &typed) || typed.Flag == "" {
			t.Errorf("%q: %#v is not an *Error", c.file, err)
		}
		if unknown := strings.Contains(c.want, "is not a flag"); errors.Is(err, ErrUnknown) != unknown {
			t.Errorf("%q: errors.Is(%v, ErrUnknown) is not %v", c.file, err, unknown)
		}
	}
}

// FuzzParse: a file that is taken is made of lines that are taken alone, and give the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"esp /boot\n# x\nlimit 5", "--esp", "a\u00a0b", "a = b", "a\u0085b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		settings, err := Parse("x.conf", text)
		if err != nil {
			return
		}
		for _, s := range settings {
			again, err := Parse("x.conf", s.Flag+" "+s.Value)
			if err != nil || len(again) != 1 || again[0] != (Setting{1, s.Flag, s.Value}) {
				t.Errorf("%+v becomes %+v, %v", s, again, err)
			}
		}
	})
}
