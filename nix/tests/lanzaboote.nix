# Secure Boot, from no key to an enforcing firmware: Lanzaboote makes and enrols the keys at the first boot, our unit makes the
# images once they exist, and the firmware starts Xen.
{ lanzaboote }:

{
  name = "xen-boot-builder-lanzaboote";

  nodes.machine =
    { lib, ... }:
    {
      imports = [
        ./common.nix
        lanzaboote
      ];

      virtualisation = {
        useSecureBoot = true;
        tpm.enable = true;
      };

      boot.loader.systemd-boot.enable = lib.mkForce false;
      boot.lanzaboote = {
        enable = true;
        pkiBundle = "/var/lib/sbctl";
        autoGenerateKeys.enable = true;
        autoEnrollKeys = {
          enable = true;
          # The virtual machine has no option ROMs.
          includeMicrosoftKeys = false;
          allowBrickingMyMachine = true;
        };
      };
    };

  testScript = builtins.readFile ./helpers.py + ''
    def images():
        return machine.succeed("find /boot/EFI/Linux -name 'xen-*.efi'").split()


    # There were no keys when the boot loader was installed.
    without_xen()

    with subtest("once there are keys, there are images"):
        machine.wait_for_unit("prepare-sb-auto-enroll.service")
        machine.wait_until_succeeds("ls /boot/EFI/Linux/xen-*.efi")
        machine.succeed("xen-boot-builder verify")

    with subtest("under Secure Boot the firmware starts Xen"):
        machine.reboot()
        in_dom0()
        machine.succeed("bootctl status | grep -q 'Secure Boot: enabled'")
        assert selected().startswith("xen-"), selected()

    with subtest("and refuses an image that was changed"):
        image = images()[0]
        machine.succeed(
            f"printf x | dd of={image} bs=1 seek=$(($(stat -c %s {image}) / 2)) conv=notrunc"
        )
        machine.fail("xen-boot-builder verify")
        machine.succeed("/run/current-system/bin/switch-to-configuration boot")
        machine.succeed("xen-boot-builder verify")
  '';
}
