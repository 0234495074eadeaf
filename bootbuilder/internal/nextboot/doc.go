// Package nextboot says what systemd-boot starts next, and decides what loader.conf has to
// say so that it starts the right thing. It is pure: values in, values out.
//
// [Starts] is a model of systemd-boot's own choice, of versions 252 to 262 (src/boot/boot.c:
// boot_entry_compare, config_find_entry, config_select_default_entry, and
// strverscmp_improved of src/fundamental). A test runs it against the real program.
//
// [Decide] takes the menu as it is and as it will be, the generations and the policy, and
// returns loader.conf's new text. [Bless] and [Try] are the rules of a Xen on trial.
//
// Left out: what a person picks in the menu; the entry for a failed firmware update
// (LoaderEntrySysFail, systemd 258); whether the firmware has a setup that can be asked for; entries from SMBIOS;
// profiles of multi-profile images; two entries that only the order of a directory's slots tells apart.
package nextboot
