# Xen on trial: a Xen that panics leaves the machine on what it ran before; one that comes up is blessed.
{
  name = "xen-boot-builder-try";

  nodes = {
    machine =
      { nodes, ... }:
      {
        imports = [ ./common.nix ];
        boot.loader.xen-boot-builder.default = "try";
        system.extraDependencies = [ nodes.broken.system.build.toplevel ];
      };

    broken = {
      imports = [ ./common.nix ];
      boot.loader.xen-boot-builder.default = "try";
      # More than there is: Xen can't build dom0, panics, and starts the machine anew.
      virtualisation.xen.dom0Resources.memory = 65536;
      environment.etc.broken.text = "";
    };
  };

  testScript =
    { nodes, ... }:
    builtins.readFile ./helpers.py
    + ''
      # No variable can be set where the disk image is made, so nothing is on trial yet.
      without_xen()

      with subtest("Xen starts once, and is the default from then on"):
          install("${nodes.machine.system.build.toplevel}")
          machine.reboot()
          in_dom0()
          machine.wait_for_unit("xen-boot-builder-bless.service")
          machine.reboot()
          in_dom0()

      with subtest("a Xen that does not start is tried once"):
          install("${nodes.broken.system.build.toplevel}")
          machine.reboot()
          in_dom0()
          machine.succeed("test ! -e /etc/broken")
          machine.reboot()
          in_dom0()
          machine.succeed("test ! -e /etc/broken")
    '';
}
