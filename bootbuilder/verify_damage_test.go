package bootbuilder_test

import (
	"os"
	"path"
	"strings"

	"github.com/xen-boot-builder/xen-boot-builder/bootbuilder"
)

// The layouts that a damage can happen to.
var (
	onShared     = []bootbuilder.Layout{bootbuilder.LayoutShared}
	onEmbedded   = []bootbuilder.Layout{bootbuilder.LayoutEmbedded}
	onUnified    = []bootbuilder.Layout{bootbuilder.LayoutUnified}
	withEntries  = []bootbuilder.Layout{bootbuilder.LayoutShared, bootbuilder.LayoutEmbedded}
	withSections = []bootbuilder.Layout{bootbuilder.LayoutEmbedded, bootbuilder.LayoutUnified}
)

const second = "xen-generation-2"

// toImage damages the Xen image of generation 2.
func toImage(change func(d *damaged)) func(*damaged) {
	return func(d *damaged) {
		d.names = d.image
		change(d)
	}
}

func imageDamages() []damage {
	return []damage{
		{"image missing", withEntries, toImage(func(d *damaged) { d.delete(d.image) }), second, "no such file"},
		{"image empty", allLayouts, toImage(func(d *damaged) { d.write(d.image, "") }), second, ""},
		{"image cut off in the middle", allLayouts, toImage(func(d *damaged) { d.truncate(d.image, len(d.read(d.image))/2) }), second, ""},
		{"image cut off by a byte", allLayouts, toImage(func(d *damaged) { d.truncate(d.image, 1) }), second, ""},
		{"image longer by a cluster", allLayouts, toImage(func(d *damaged) { d.write(d.image, d.read(d.image)+strings.Repeat("\x00", 4096)) }), second, ""},
		{"bit flipped in the code", allLayouts, toImage(func(d *damaged) {
			at, _ := d.sectionSpan(d.image, ".text")
			d.flip(d.image, at+3)
		}), second, "damaged"},
		{"bit flipped in the last section", allLayouts, toImage(func(d *damaged) {
			at, _ := d.sectionSpan(d.image, ".reloc")
			d.flip(d.image, at+9)
		}), second, "damaged"},
		{"bit flipped in the DOS header", allLayouts, toImage(func(d *damaged) { d.flip(d.image, 0) }), second, ""},
		{"bit flipped in the DOS stub", allLayouts, toImage(func(d *damaged) { d.flip(d.image, 0x50) }), second, "damaged"},
		{"bit flipped in the section table", allLayouts, toImage(func(d *damaged) { d.flip(d.image, 0x80+24+0xf0+3) }), second, ""},
		{"image overwritten by text", allLayouts, toImage(func(d *damaged) { d.write(d.image, "FSCK0000.REC\n") }), second, ""},
		{"image of zeros", allLayouts, toImage(func(d *damaged) { d.write(d.image, strings.Repeat("\x00", len(d.read(d.image)))) }), second, ""},
		{"image a directory", withEntries, toImage(func(d *damaged) {
			d.delete(d.image)
			d.must(os.Mkdir(d.path(d.image), 0o755))
		}), second, "not a regular file"},
		{"image of another generation", onEmbedded, toImage(func(d *damaged) {
			d.write(d.image, d.read("EFI/nixos/xen-generation-1.efi"))
		}), second, ""},
		{".config section missing", onEmbedded, toImage(func(d *damaged) {
			d.reassemble(d.image, nil, map[string]string{".config": ""})
		}), second, ".config"},
	}
}

func configDamages() []damage {
	config := func(change func(string) string) func(*damaged) { return func(d *damaged) { d.setConfig(change) } }
	replace := func(old, new string) func(*damaged) { return func(d *damaged) { d.replaceConfig(old, new) } }
	cutOff := func(text string) string { return text[:len(text)/2] }
	return []damage{
		{"xen.cfg missing", onShared, func(d *damaged) {
			d.names = d.config
			d.delete(d.config)
		}, second, "no such file"},
		{"xen.cfg empty", onShared, config(func(string) string { return "" }), second, ""},
		{"xen.cfg blank", withSections, config(func(string) string { return "\n" }), second, "kernel"},
		{"xen.cfg cut off", allLayouts, config(cutOff), second, ""},
		{"xen.cfg without default", allLayouts, replace("default=xen\n", ""), second, ""},
		{"xen.cfg with another default", allLayouts, replace("default=xen", "default=linux"), second, "kernel"},
		{"xen.cfg without kernel", allLayouts, replace("kernel=", "colonel="), second, "kernel"},
		{"xen.cfg without init", allLayouts, replace(" init=", " lnit="), second, "init="},
		{"xen.cfg with another parameter", allLayouts, replace("loglevel=4", "loglevel=7"), second, ""},
		{"xen.cfg with another option of Xen", allLayouts, replace("dom0_mem=4096M", "dom0_mem=512M"), second, ""},
		{"xen.cfg without final newline", onShared, config(func(s string) string { return strings.TrimSuffix(s, "\n") }), second, "newline"},
		{"xen.cfg with a comment in a line", allLayouts, replace(" loglevel=4", " #loglevel=4"), second, ""},
		{"xen.cfg with a tab in a line", allLayouts, replace(" loglevel=4", "\tloglevel=4"), second, ""},
		{"xen.cfg with a NUL in a line", allLayouts, replace(" loglevel=4", "\x00loglevel=4"), second, ""},
		{"xen.cfg with a kernel injected", withEntries, func(d *damaged) {
			d.replaceConfig("kernel=", "kernel=vmlinuz.evil init=/nix/store/x/init\nkernel=")
			d.names = "vmlinuz.evil"
		}, second, "no such file"},
		{"xen.cfg with a path that leads out", withEntries, replace("kernel=", `kernel=\..\..\evil `), second, "evil"},
		{"xen.cfg of zeros", allLayouts, config(func(s string) string { return strings.Repeat("\x00", len(s)) }), second, ""},
	}
}

func payloadDamages() []damage {
	kernel := func(change func(d *damaged)) func(*damaged) {
		return func(d *damaged) { d.names = d.kernel; change(d) }
	}
	ramdisk := func(change func(d *damaged)) func(*damaged) {
		return func(d *damaged) { d.names = d.ramdisk; change(d) }
	}
	joined := func(change func(d *damaged)) func(*damaged) {
		return func(d *damaged) { d.names = d.one("EFI/xen/initrd-*.img"); change(d) }
	}
	const third = "xen-generation-3"
	return []damage{
		{"kernel missing", withEntries, kernel(func(d *damaged) { d.delete(d.kernel) }), second, "no such file"},
		{"kernel empty", withEntries, kernel(func(d *damaged) { d.write(d.kernel, "") }), second, "empty"},
		{"kernel changed", withEntries, kernel(func(d *damaged) { d.flip(d.kernel, 0x310) }), second, "damaged"},
		{"kernel cut off", withEntries, kernel(func(d *damaged) { d.truncate(d.kernel, 100) }), second, "damaged"},
		{"ramdisk missing", withEntries, ramdisk(func(d *damaged) { d.delete(d.ramdisk) }), second, "no such file"},
		{"ramdisk empty", withEntries, ramdisk(func(d *damaged) { d.write(d.ramdisk, "") }), second, "empty"},
		{"ramdisk cut off", withEntries, ramdisk(func(d *damaged) { d.truncate(d.ramdisk, 4) }), second, "damaged"},
		{"ramdisk changed", withEntries, ramdisk(func(d *damaged) { d.flip(d.ramdisk, 120) }), second, "damaged"},
		{"joined ramdisk missing", withEntries, joined(func(d *damaged) { d.delete(d.names) }), third, "no such file"},
		{"joined ramdisk changed", withEntries, joined(func(d *damaged) { d.flip(d.names, 120) }), third, "damaged"},
		{"joined ramdisk cut off", withEntries, joined(func(d *damaged) { d.truncate(d.names, 1) }), third, "damaged"},
		{"toplevel gone", allLayouts, func(d *damaged) {
			d.names = d.tops[2].Path
			d.must(os.RemoveAll(d.root.Path(d.tops[2].Path)))
		}, second, "is gone"},
		{"init gone", allLayouts, func(d *damaged) {
			d.names = d.tops[2].Init
			d.must(os.Remove(d.root.Path(d.tops[2].Init)))
		}, second, "gone"},
	}
}

func entryDamages() []damage {
	entry := func(change func(d *damaged)) func(*damaged) {
		return func(d *damaged) { d.names = d.entry; change(d) }
	}
	edit := func(old, new string) func(*damaged) {
		return entry(func(d *damaged) { d.edit(d.entry, old, new) })
	}
	// What no longer starts an image of ours is nobody's entry: the partition has the problem.
	return []damage{
		{"entry empty", withEntries, entry(func(d *damaged) { d.write(d.entry, "") }), second, "is empty"},
		{"entry of newlines", withEntries, entry(func(d *damaged) { d.write(d.entry, strings.Repeat("\n", 512)) }), second, "is empty"},
		{"entry without efi", withEntries, edit("efi /", "evi /"), "", "starts no "},
		{"entry cut off", withEntries, entry(func(d *damaged) { d.write(d.entry, d.read(d.entry)[:20]) }), "", "starts no "},
		{"entry of zeros", withEntries, entry(func(d *damaged) { d.write(d.entry, strings.Repeat("\x00", 280)) }), "", "starts no "},
		{"entry starting something else", withEntries, edit("efi /EFI", "efi /EFI/memtest"), "", "starts no "},
		{"entry starting another generation's image", onEmbedded, edit("/xen-generation-2.efi", "/xen-generation-1.efi"), second, ""},
		{"entry with linux", withEntries, edit("efi /", "linux /EFI/nixos/bzImage.efi\nefi /"), second, "linux"},
		{"entry with two efi lines", withEntries, edit("efi /", "efi /EFI/BOOT/BOOTX64.EFI\nefi /"), second, "efi"},
		{"entry with a NUL", withEntries, edit("title NixOS", "title Nix\x00S"), "", "starts no "},
		{"entry with invalid UTF-8", withEntries, edit("title NixOS", "title Nix\xffS"), "", "starts no "},
		{"entry without title", withEntries, edit("title ", "titel "), second, "title"},
		{"entry with another title", withEntries, edit("title NixOS", "title OS"), second, ""},
		{"entry with another sort-key", withEntries, edit("sort-key nixos", "sort-key aaa"), second, ""},
		{"entry twice", withEntries, func(d *damaged) {
			d.names = second
			d.write("loader/entries/XEN-generation-2.conf", d.read(d.entry))
		}, "", "same generation"},
		{"entry with a boot counter", withEntries, func(d *damaged) {
			d.names = "loader/entries/xen-generation-2+3.conf"
			d.must(os.Rename(d.path(d.entry), d.path(d.names)))
		}, second, "an install would write"},
		{"options naming another xen.cfg", onShared, func(d *damaged) {
			d.names = d.entry
			d.edit(d.entry, path.Base(d.config), path.Base(d.cfg("xen-generation-1")))
		}, second, ""},
		{"options naming a missing xen.cfg", onShared, func(d *damaged) {
			d.names = "xen-generation-7.cfg"
			d.edit(d.entry, path.Base(d.config), d.names)
		}, second, "no such file"},
		{"options with a path", onShared, edit("-cfg=", `-cfg=\EFI\xen\`), second, "options"},
		{"options gone", onShared, edit("options xen.efi -cfg=", "# xen.efi -cfg="), second, "options"},
		{"options without a first word", onShared, edit("options xen.efi -cfg", "options -cfg"), second, "options"},
		{"options beside .config", onEmbedded, edit("efi /", "options xen.efi -- loglvl=all\nefi /"), second, "load options"},
		{"default that is missing", allLayouts, func(d *damaged) {
			d.names = "loader/loader.conf"
			d.write(d.names, "timeout 5\ndefault xen-generation-8.conf\n")
		}, "", "xen-generation-8.conf"},
		{"preferred that is missing", allLayouts, func(d *damaged) {
			d.names = "loader/loader.conf"
			d.write(d.names, "preferred xen-generation-8.conf\ndefault nixos-*\n")
		}, "", "xen-generation-8.conf"},
	}
}

func unifiedDamages() []damage {
	without := func(section string) func(*damaged) {
		return toImage(func(d *damaged) { d.reassemble(d.image, d.signer, map[string]string{section: ""}) })
	}
	release := func(old, new string) func(*damaged) {
		return toImage(func(d *damaged) {
			text := strings.Replace(d.section(d.image, ".osrel"), old, new, 1)
			d.reassemble(d.image, d.signer, map[string]string{".osrel": text})
		})
	}
	return []damage{
		{"image without .config", onUnified, without(".config"), "", "starts no "},
		{"image without .kernel", onUnified, without(".kernel"), second, ".kernel"},
		{"image without .ramdisk", onUnified, without(".ramdisk"), second, ""},
		{"image without .osrel", onUnified, without(".osrel"), second, ".osrel"},
		{"image without .cmdline", onUnified, without(".cmdline"), second, ""},
		{".osrel without a name", onUnified, release("PRETTY_NAME", "UGLY_NAME"), second, "PRETTY_NAME"},
		{".osrel without a version", onUnified, release("VERSION_ID", "VERSION"), second, "VERSION_ID"},
		{"another kernel, signed", onUnified, toImage(func(d *damaged) {
			d.reassemble(d.image, d.signer, map[string]string{".kernel": "another kernel"})
		}), second, ""},
		{"signature missing", onUnified, toImage(func(d *damaged) { d.reassemble(d.image, nil, nil) }), second, "not signed"},
		{"signature by another key", onUnified, toImage(func(d *damaged) {
			d.reassemble(d.image, testSigner(d.t, "other"), nil)
		}), second, "not by the given certificate"},
		{"signature of another image", onUnified, toImage(func(d *damaged) {
			d.transplant(d.unified(1), d.image)
		}), second, ""},
		{"data behind the signature", onUnified, toImage(func(d *damaged) {
			d.write(d.image, d.read(d.image)+"12345678")
		}), second, ""},
		{"bit flipped in the kernel", onUnified, toImage(func(d *damaged) {
			at, _ := d.sectionSpan(d.image, ".kernel")
			d.flip(d.image, at+0x310)
		}), second, "damaged"},
		{"bit flipped in the signature", onUnified, toImage(func(d *damaged) {
			d.flip(d.image, len(d.read(d.image))-64)
		}), second, ""},
	}
}
