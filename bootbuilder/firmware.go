package bootbuilder

import (
	"fmt"
	"slices"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder/internal/secureboot"
)

// readFirmware reads whether Secure Boot is on, where the options name the EFI variables.
func (p *Plan) readFirmware() {
	if p.options.EFIVars == "" {
		return
	}
	var err error
	if p.firmware, err = secureboot.ReadState(p.options.EFIVars); err != nil {
		p.Warnings = append(p.Warnings, Warning{Advice: true, Message: fmt.Sprintf(
			"whether Secure Boot is on is not known: %v", err)})
	}
}

// enforcing reports whether the firmware is known to refuse unsigned images.
func (p *Plan) enforcing() bool { return p.firmware.Known && p.firmware.Enabled }

// mindFirmware keeps an image that the firmware will refuse from becoming the default, and
// says so.
func (p *Plan) mindFirmware() {
	signing := p.options.Signer != nil
	if signing && p.options.Layout != LayoutUnified {
		p.Warnings = append(p.Warnings, Warning{Message: fmt.Sprintf(
			"the key is not used: layout %s is not signed, unified is", p.options.Layout)})
		signing = false
	}
	if !p.enforcing() || signing || len(p.bundles) == 0 {
		return
	}
	message := fmt.Sprintf("Secure Boot is on and nothing is signed: the firmware will refuse to start %s, "+
		"which is not signed (Access Denied), and systemd-boot will show its menu again",
		p.target.Boot.Path(p.bundles[len(p.bundles)-1].image))
	if p.options.Default == DefaultXen {
		p.options.Default = DefaultKeep
		message += "; loader.conf therefore keeps its default (--pki-bundle or --sign-key and --sign-cert sign the images)"
	}
	p.Warnings = append(p.Warnings, Warning{Message: message})
}

// mindEditor warns where somebody at the keyboard can change what a signed system starts with.
func (p *Plan) mindEditor() {
	if p.loader.conf == nil || !p.loader.conf.EditorEnabled() || !(p.enforcing() || p.options.Signer != nil) {
		return
	}
	signed := slices.ContainsFunc(p.bundles, func(b *bundle) bool { return b.entry == nil })
	if !signed {
		return
	}
	p.Warnings = append(p.Warnings, Warning{Advice: true, Message: fmt.Sprintf(
		"%s leaves systemd-boot's editor on: the Xen images made here keep it out under Secure Boot, "+
			"but a type #1 entry that starts one does not, and Xen obeys its options (set editor no)",
		p.target.ESP.Path(loaderConf))})
}
