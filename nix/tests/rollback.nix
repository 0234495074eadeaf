# A second generation, and back to the first: the default is the Xen entry of the one that NixOS means.
{
  name = "xen-boot-builder-rollback";

  nodes = {
    machine =
      { nodes, ... }:
      {
        imports = [ ./common.nix ];
        system.extraDependencies = [ nodes.second.system.build.toplevel ];
      };

    second = {
      imports = [ ./common.nix ];
      environment.etc.second.text = "";
    };
  };

  testScript =
    { nodes, ... }:
    builtins.readFile ./helpers.py
    + ''
      in_dom0()
      install("${nodes.second.system.build.toplevel}")
      assert len(entries()) == 2, entries()
      machine.reboot()
      in_dom0()
      machine.succeed("test -e /etc/second")
      healthy()

      machine.succeed(
          "nix-env -p /nix/var/nix/profiles/system --rollback",
          "/nix/var/nix/profiles/system/bin/switch-to-configuration boot",
      )
      machine.reboot()
      in_dom0()
      machine.succeed("test ! -e /etc/second")
      healthy()

      with subtest("a generation that is deleted takes its entry with it"):
          machine.succeed(
              "nix-env -p /nix/var/nix/profiles/system --delete-generations 2",
              "/nix/var/nix/profiles/system/bin/switch-to-configuration boot",
          )
          assert len(entries()) == 1, entries()
          healthy()
    '';
}
