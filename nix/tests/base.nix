# The module alone: the machine starts Xen, and what is on the ESP is in order.
{
  name = "xen-boot-builder-base";

  nodes.machine.imports = [ ./common.nix ];

  testScript = builtins.readFile ./helpers.py + ''
    in_dom0()
    assert selected().startswith("xen-"), selected()
    healthy()

    with subtest("systemd-boot's own tool agrees"):
        machine.succeed("bootctl list --no-pager | grep -q 'with Xen Hypervisor'")
        machine.fail("bootctl list --no-pager 2>&1 | grep -iE 'warning|invalid'")

    with subtest("NixOS without Xen is still there"):
        machine.succeed("bootctl set-oneshot $(cd /boot/loader/entries && ls nixos-*.conf | head -n 1)")
        machine.reboot()
        without_xen()

    with subtest("and Xen starts again by itself"):
        machine.reboot()
        in_dom0()
  '';
}
