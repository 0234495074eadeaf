# Xen is switched off: the newest generation starts, without Xen, and the older one keeps its Xen entry.
{
  name = "xen-boot-builder-xen-off";

  nodes = {
    machine =
      { nodes, ... }:
      {
        imports = [ ./common.nix ];
        system.extraDependencies = [ nodes.off.system.build.toplevel ];
      };

    off = {
      imports = [ ./common.nix ];
      virtualisation.xen.enable = false;
    };
  };

  testScript =
    { nodes, ... }:
    builtins.readFile ./helpers.py
    + ''
      in_dom0()
      install("${nodes.off.system.build.toplevel}")
      machine.reboot()
      without_xen()
      assert len(entries()) == 1, entries()

      machine.succeed(f"bootctl set-oneshot '{entries()[0]}'")
      machine.reboot()
      in_dom0()

      with subtest("its entry goes with it"):
          machine.reboot()
          without_xen()
          machine.succeed(
              "nix-env -p /nix/var/nix/profiles/system --delete-generations 1",
              "/run/current-system/bin/switch-to-configuration boot",
          )
          assert entries() == [], entries()
          machine.succeed("test -z \"$(ls /boot/EFI/xen 2>/dev/null)\"")
    '';
}
