package nextboot_test

import (
	"fmt"
	"testing"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
)

// BenchmarkDecide200 decides for 200 generations with an entry each of NixOS and of Xen.
func BenchmarkDecide200(b *testing.B) {
	m := newMachine("default nixos-generation-200.conf\n")
	for n := range uint64(200) {
		m.add(n+1, fmt.Sprint(n), fmt.Sprintf("nixos-generation-%d.conf", n+1), fmt.Sprintf("xen-generation-%d.conf", n+1))
	}
	for b.Loop() {
		if d := nextboot.Decide(m.Input); d.Default != 199 {
			b.Fatal(d.Default)
		}
	}
}
