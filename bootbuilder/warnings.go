package bootbuilder

import (
	"fmt"
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/bootname"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/generation"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/installed"
	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/nextboot"
	"github.com/xen-boot-builder/xen-boot-builder/esp"
)

// Warning is one thing that the user should know.
type Warning struct {
	Generation string `json:"generation,omitempty"` // id of its Xen entry, "" for the whole run
	Message    string `json:"message"`              // names file and reason
	Advice     bool   `json:"advice"`               // nothing failed; "quiet" leaves it out
}

// warn says what the user should know of a plan as a whole, and which generations are left out
// although they should not be.
func warn(
	target Target, options Options, fw firmwareState, inv *installed.Inventory,
	conf loaderConf, outcomes []outcome, v verdict, next nextboot.Decision, removal bool,
) []Warning {
	var list []Warning
	add := func(w *Warning) {
		if w != nil {
			list = append(list, *w)
		}
	}
	add(unusedKey(options))
	add(refused(target, options, fw, outcomes))
	add(editor(target, options, fw, conf, outcomes))
	add(noLoader(target, options, outcomes))
	add(exposed(target, outcomes))
	if v.blocked != nil && !removal {
		add(&Warning{Message: fmt.Sprintf("nothing is removed: %v", v.blocked)})
	}
	for _, s := range inv.Shared {
		add(&Warning{Message: fmt.Sprintf("%s stays: a power cut left it on the clusters of %s, which removing it would harm (unmount the partition, and run %s)",
			s.Path(), s.FS.Path(s.With), esp.Fsck(s.FS))})
	}
	for _, w := range next.Warnings {
		if w.Code == nextboot.SecureBootRefuses {
			continue // said above, with the image's name
		}
		if w.Code == nextboot.DefaultFailed {
			continue // the run ends with an error that says so
		}
		add(&Warning{Message: withHint(w), Advice: adviceOnly(w.Code)})
	}
	for _, o := range outcomes {
		if !o.skip.Failed() {
			continue
		}
		message := fmt.Sprintf("%v is left out: %v", o.Generation, o.skip)
		if said := func(w Warning) bool { return w.Message == message }; o.variant.Name == "" || !slices.ContainsFunc(list, said) {
			add(&Warning{Generation: o.ID, Message: message})
		}
	}
	return list
}

func withHint(w nextboot.Warning) string {
	if w.Hint == "" {
		return w.Message
	}
	return w.Message + " (" + w.Hint + ")"
}

// adviceOnly is of warnings after which nothing is wrong.
func adviceOnly(c nextboot.Code) bool {
	switch c {
	case nextboot.NixOSWritten, nextboot.NotCounted, nextboot.NoFallback, nextboot.NotSure,
		nextboot.HandWritten, nextboot.Repaired, nextboot.VariableOutranks:
		return true
	}
	return false
}

func unusedKey(options Options) *Warning {
	if options.Certificate == nil || options.Layout == LayoutUnified {
		return nil
	}
	return &Warning{Message: fmt.Sprintf("the key is not used: layout %s is not signed, unified is", options.Layout)}
}

// refused says so where the firmware will refuse what is made.
func refused(target Target, options Options, fw firmwareState, outcomes []outcome) *Warning {
	if !fw.enforcing() || options.signs() {
		return nil
	}
	for _, o := range slices.Backward(outcomes) {
		if o.files == nil {
			continue
		}
		message := fmt.Sprintf("Secure Boot is on and nothing is signed: the firmware will refuse to start %s, "+
			"which is not signed (Access Denied), and systemd-boot will show its menu again",
			target.Boot.Path(o.files.Image))
		if options.Default == DefaultXen {
			message += "; NixOS therefore stays the default (--pki-bundle or --sign-key and --sign-cert sign the images)"
		}
		return &Warning{Message: message}
	}
	return nil
}

// editor warns where somebody at the keyboard can change what a signed system starts with.
func editor(target Target, options Options, fw firmwareState, conf loaderConf, outcomes []outcome) *Warning {
	if conf.text == nil || !esp.ParseLoaderConf(conf.text).EditorEnabled() || !fw.enforcing() && !options.signs() {
		return nil
	}
	signed := slices.ContainsFunc(outcomes, func(o outcome) bool { return o.files != nil && o.files.Entry == nil })
	if !signed {
		return nil
	}
	return &Warning{Advice: true, Message: fmt.Sprintf(
		"%s leaves systemd-boot's editor on: the Xen images made here keep it out under Secure Boot, "+
			"but a type #1 entry that starts one does not, and Xen obeys its options (set editor no)",
		target.ESP.Path(bootname.LoaderConf))}
}

// exposed warns where what is written here holds initrd secrets, and every user of the machine may read it.
func exposed(target Target, outcomes []outcome) *Warning {
	if d, ok := target.Boot.(interface{ WorldReadable() bool }); !ok || !d.WorldReadable() {
		return nil
	}
	for _, o := range slices.Backward(outcomes) {
		if o.files == nil || o.Spec.InitrdSecrets == "" {
			continue
		}
		for _, f := range o.files.files {
			n, ours := bootname.Parse(f.Name)
			if ours && (n.Kind == bootname.UnifiedImage || n.Kind == bootname.Ramdisk) {
				return &Warning{Generation: o.ID, Advice: true, Message: fmt.Sprintf(
					"%s holds initrd secrets of %v, and every user may read it (mount %s with umask=0077)",
					target.Boot.Path(f.Name), o.Generation, target.Boot.Path("."))}
			}
		}
	}
	return nil
}

// loaders are where systemd-boot's image may lie, on any machine.
var loaders = []string{"EFI/systemd", "EFI/BOOT"}

// noLoader says so where there is nothing that would read the entries.
func noLoader(target Target, options Options, outcomes []outcome) *Warning {
	for _, dir := range loaders {
		if list, err := target.ESP.ReadDir(dir); err == nil && len(list) > 0 {
			return nil
		}
	}
	built := slices.ContainsFunc(outcomes, func(o outcome) bool { return o.files != nil })
	if options.From != FromProfiles || !built {
		return nil
	}
	return &Warning{Advice: true, Message: fmt.Sprintf(
		"no boot loader is installed on %s: run bootctl install", target.ESP.Path("."))}
}

// passedOver names what is on $BOOT under the name of an entry for a generation, and is none.
func passedOver(target Target, found generation.Found) []Warning {
	var list []Warning
	for _, g := range found.PassedOver {
		list = append(list, Warning{Message: fmt.Sprintf("%s is passed over: %v", target.Boot.Path(g.File()), g.Skip)})
	}
	return list
}
