# Fewer Xen entries than generations.
{
  name = "xen-boot-builder-limit";

  nodes = {
    machine =
      { nodes, ... }:
      {
        imports = [ ./common.nix ];
        system.extraDependencies = [
          nodes.second.system.build.toplevel
          nodes.third.system.build.toplevel
        ];
      };

    second = {
      imports = [ ./common.nix ];
      environment.etc.second.text = "";
    };

    third = {
      imports = [ ./common.nix ];
      boot.loader.xen-boot-builder.limit = 2;
    };
  };

  testScript =
    { nodes, ... }:
    builtins.readFile ./helpers.py
    + ''
      in_dom0()
      install("${nodes.second.system.build.toplevel}")
      install("${nodes.third.system.build.toplevel}")
      assert len(entries("nixos-*.conf")) == 3, entries("nixos-*.conf")
      assert len(entries()) == 2, entries()

      with subtest("a rollback past the limit has a Xen entry all the same"):
          machine.succeed(
              "nix-env -p /nix/var/nix/profiles/system --switch-generation 1",
              "${nodes.third.system.build.toplevel}/bin/switch-to-configuration boot",
          )
          machine.reboot()
          in_dom0()
          machine.succeed("test ! -e /etc/second")
    '';
}
