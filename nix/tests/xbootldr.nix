# Entries and images on XBOOTLDR, loader.conf on the ESP. Both are on a second disk, which is partitioned here: systemd-boot
# looks for XBOOTLDR on the disk that it was started from.
{
  name = "xen-boot-builder-xbootldr";

  nodes = {
    machine =
      { nodes, pkgs, ... }:
      {
        imports = [ ./common.nix ];
        virtualisation.emptyDiskImages = [ 1024 ];
        environment.systemPackages = [
          pkgs.dosfstools
          pkgs.gptfdisk
        ];
        system.extraDependencies = [ nodes.xbootldr.system.build.toplevel ];
      };

    xbootldr =
      { lib, ... }:
      {
        imports = [ ./common.nix ];
        boot.loader.efi.efiSysMountPoint = "/efi";
        boot.loader.systemd-boot.xbootldrMountPoint = "/boot";
        virtualisation.fileSystems = {
          "/efi" = {
            device = "/dev/disk/by-partlabel/second-esp";
            fsType = "vfat";
          };
          "/boot" = lib.mkForce {
            device = "/dev/disk/by-partlabel/xbootldr";
            fsType = "vfat";
          };
        };
      };
  };

  testScript =
    { nodes, ... }:
    builtins.readFile ./helpers.py
    + ''
      in_dom0()
      machine.succeed(
          "sgdisk /dev/vdb -n 1:0:+200M -t 1:ef00 -c 1:second-esp -n 2:0:0 -t 2:ea00 -c 2:xbootldr",
          "udevadm settle",
          "mkfs.vfat /dev/vdb1",
          "mkfs.vfat /dev/vdb2",
          "umount /boot",
          "mkdir -p /efi",
          "mount /dev/vdb1 /efi",
          "mount /dev/vdb2 /boot",
          "nix-env -p /nix/var/nix/profiles/system --set ${nodes.xbootldr.system.build.toplevel}",
          "NIXOS_INSTALL_BOOTLOADER=1 ${nodes.xbootldr.system.build.toplevel}/bin/switch-to-configuration boot",
      )
      assert entries(), "no entries on XBOOTLDR"
      machine.fail("ls /efi/loader/entries/xen-*")
      machine.succeed("grep -q '^default xen-' /efi/loader/loader.conf")

      machine.reboot()
      in_dom0()
      machine.succeed("findmnt /efi", "findmnt /boot")
      healthy()
    '';
}
