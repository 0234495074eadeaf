package bootspec

import "fmt"

// BootParams are the settings from which NixOS composes Xen's command line: the options
// trace, dom0Resources and boot.params (once bootParams) of virtualisation.xen.
type BootParams struct {
	// Trace makes Xen log everything, about itself and its guests.
	Trace bool
	// Dom0Memory is what dom0 starts with, in MiB. 0 leaves all memory to dom0.
	Dom0Memory uint64
	// Dom0MaxMemory is what dom0 may grow to, in MiB. 0 means no more than Dom0Memory.
	// Without Dom0Memory it has no effect, which is how NixOS documents the option.
	Dom0MaxMemory uint64
	// Dom0MaxVCPUs is how many virtual CPUs dom0 gets. 0 gives it all cores.
	Dom0MaxVCPUs uint
	// Extra are further parameters, in the order given.
	Extra []string
}

// Compose returns Xen's parameters in the order and form of nixpkgs'
// nixos/modules/virtualisation/xen-dom0.nix, followed by the extra ones. It refuses a
// maximum below the memory at start, as the module's assertion does, and extra parameters
// that [Parse] would refuse.
func (p BootParams) Compose() ([]string, error) {
	if p.Dom0MaxMemory != 0 && p.Dom0MaxMemory < p.Dom0Memory {
		return nil, fmt.Errorf("composing Xen's parameters: dom0's maximum of %d MiB is less than the %d MiB it starts with",
			p.Dom0MaxMemory, p.Dom0Memory)
	}
	var params []string
	if p.Trace {
		params = append(params, "loglvl=all", "guest_loglvl=all")
	}
	if p.Dom0Memory != 0 {
		memory := fmt.Sprintf("dom0_mem=%dM", p.Dom0Memory)
		if p.Dom0MaxMemory != 0 && p.Dom0MaxMemory != p.Dom0Memory {
			memory += fmt.Sprintf(",max:%dM", p.Dom0MaxMemory)
		}
		params = append(params, memory)
	}
	if p.Dom0MaxVCPUs != 0 {
		params = append(params, fmt.Sprintf("dom0_max_vcpus=%d", p.Dom0MaxVCPUs))
	}
	for i, param := range p.Extra {
		if reason := textFault(param); reason != "" {
			return nil, fmt.Errorf("composing Xen's parameters: extra parameter %d %s", i+1, reason)
		}
		params = append(params, param)
	}
	return params, nil
}
