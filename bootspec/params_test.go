package bootspec_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootspec"
)

func TestCompose(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		params bootspec.BootParams
		want   []string
	}{
		"nothing":                {bootspec.BootParams{}, nil},
		"trace":                  {bootspec.BootParams{Trace: true}, []string{"loglvl=all", "guest_loglvl=all"}},
		"memory":                 {bootspec.BootParams{Dom0Memory: 4096}, []string{"dom0_mem=4096M"}},
		"memory, same maximum":   {bootspec.BootParams{Dom0Memory: 512, Dom0MaxMemory: 512}, []string{"dom0_mem=512M"}},
		"memory, higher maximum": {bootspec.BootParams{Dom0Memory: 512, Dom0MaxMemory: 1024}, []string{"dom0_mem=512M,max:1024M"}},
		"maximum alone":          {bootspec.BootParams{Dom0MaxMemory: 1024}, nil},
		"much memory":            {bootspec.BootParams{Dom0Memory: math.MaxUint64}, []string{"dom0_mem=18446744073709551615M"}},
		"vCPUs":                  {bootspec.BootParams{Dom0MaxVCPUs: 4}, []string{"dom0_max_vcpus=4"}},
		"extra":                  {bootspec.BootParams{Extra: []string{"z", "a", "z"}}, []string{"z", "a", "z"}},
		"all of it": {
			bootspec.BootParams{Trace: true, Dom0Memory: 1, Dom0MaxMemory: 2, Dom0MaxVCPUs: 3, Extra: []string{"dom0=pvh"}},
			[]string{"loglvl=all", "guest_loglvl=all", "dom0_mem=1M,max:2M", "dom0_max_vcpus=3", "dom0=pvh"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.params.Compose()
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestComposeRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		params bootspec.BootParams
		want   string
	}{
		"maximum below memory": {bootspec.BootParams{Dom0Memory: 4096, Dom0MaxMemory: 1024}, "maximum of 1024 MiB is less than the 4096 MiB"},
		"line break":           {bootspec.BootParams{Extra: []string{"a", "b\nc"}}, "extra parameter 2 contains a line break"},
		"NUL":                  {bootspec.BootParams{Extra: []string{"\x00"}}, "extra parameter 1 contains a NUL"},
		"not UTF-8":            {bootspec.BootParams{Extra: []string{"\xff"}}, "extra parameter 1 is not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.params.Compose()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q and %v, want an error with %q", got, err, tt.want)
			}
		})
	}
}

func TestComposeLeavesExtraAlone(t *testing.T) {
	t.Parallel()
	backing := []string{"a", "untouched"}
	params := bootspec.BootParams{Extra: backing[:1]}
	first, err := params.Compose()
	if err != nil {
		t.Fatal(err)
	}
	_ = append(first, "b")
	if backing[1] != "untouched" {
		t.Errorf("the result shares memory with Extra: %q", backing)
	}
}
