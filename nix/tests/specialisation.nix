# Xen only in a specialisation, whose name is that of nixpkgs' own test; the system itself stays the default.
{
  name = "xen-boot-builder-specialisation";

  nodes.machine =
    { lib, ... }:
    {
      imports = [ ./common.nix ];
      virtualisation.xen.enable = false;
      specialisation."+something+-+that+-+breaks-parsing+-+".configuration.virtualisation.xen.enable =
        lib.mkForce true;
    };

  testScript = builtins.readFile ./helpers.py + ''
    without_xen()
    assert len(entries()) == 1, entries()
    machine.succeed("grep -q '^default nixos-' /boot/loader/loader.conf")
    healthy()

    machine.succeed(f"bootctl set-oneshot '{entries()[0]}'")
    machine.reboot()
    in_dom0()
    machine.succeed("test ! -e /run/current-system/specialisation")
  '';
}
