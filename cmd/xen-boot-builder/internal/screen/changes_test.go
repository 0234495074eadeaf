package screen

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	list := []Change{
		{Label: "Xen", Before: "4.19.3", After: "4.20.2"},
		{Label: "Linux", Before: "6.12.41", After: "6.12.58"},
		{Label: "ucode", After: "microcode\x1b 20261111"},
		{Label: "xsm", Before: "policy"},
		{Label: "dom0", Words: []Word{{"nvme_core.default_ps_max_latency_us=0", false}, {"mitigations=auto", true}, {"console=tty0", true}}},
	}
	for _, c := range []struct {
		screen Screen
		want   string
	}{
		{Screen{}, `
    Xen    4.19.3 -> 4.20.2
    Linux  6.12.41 -> 6.12.58
    ucode  +microcode\x1b 20261111
    xsm    -policy
    dom0   -nvme_core.default_ps_max_latency_us=0 +mitigations=auto +console=tty0
`},
		{Screen{Width: 80}, `
    Xen    4.19.3 -> 4.20.2
    Linux  6.12.41 -> 6.12.58
    ucode  +microcode\x1b 20261111
    xsm    -policy
    dom0   -nvme_core.default_ps_max_latency_us=0 +mitigations=auto
           +console=tty0
`},
		{Screen{Width: 10}, `
    Xen    4.19.3
           -> 4.20.2
    Linux  6.12.41
           -> 6.12.58
    ucode  +microcode\x1b 20261111
    xsm    -policy
    dom0   -nvme_core.default_ps_max_latency_us=0
           +mitigations=auto
           +console=tty0
`},
	} {
		want := strings.Split(strings.Trim(c.want, "\n"), "\n")
		if d := cmp.Diff(want, c.screen.Changes("    ", list)); d != "" {
			t.Errorf("at %d columns (-want +got):\n%s", c.screen.Width, d)
		}
	}
	got := Screen{Color: true}.Changes("", list[:1])
	want := []string{"\x1b[1mXen\x1b[0m  \x1b[31m4.19.3\x1b[0m \x1b[32m-> 4.20.2\x1b[0m"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("in colour (-want +got):\n%s", d)
	}
}
