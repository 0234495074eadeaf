# From nixpkgs' script to this program and back.
{
  name = "xen-boot-builder-script";

  nodes = {
    machine =
      { nodes, ... }:
      {
        imports = [ ./common.nix ];
        boot.loader.xen-boot-builder.enable = false;
        system.extraDependencies = [ nodes.ours.system.build.toplevel ];
      };

    ours.imports = [ ./common.nix ];
  };

  testScript =
    { nodes, ... }:
    builtins.readFile ./helpers.py
    + ''
      in_dom0()
      scripts = entries()

      install("${nodes.ours.system.build.toplevel}")
      assert set(scripts) < set(entries()), (scripts, entries())
      machine.fail("ls /boot/EFI/nixos/xen-*.efi")
      machine.reboot()
      in_dom0()
      healthy()

      machine.succeed("xen-boot-builder remove")
      assert entries() == [], entries()
      machine.succeed(
          "nix-env -p /nix/var/nix/profiles/system --rollback",
          "/nix/var/nix/profiles/system/bin/switch-to-configuration boot",
      )
      machine.reboot()
      in_dom0()
      machine.succeed("ls /boot/EFI/nixos/xen-*.efi")
    '';
}
