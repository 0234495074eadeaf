# Put before each test script.


def in_dom0():
    machine.wait_for_unit("multi-user.target")
    machine.succeed("grep -q control_d /proc/xen/capabilities")
    machine.succeed("xl info")


def without_xen():
    machine.wait_for_unit("multi-user.target")
    machine.fail("grep -qs control_d /proc/xen/capabilities")


def selected():
    variable = "LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
    return machine.succeed(
        f"tail -c +5 /sys/firmware/efi/efivars/{variable} | tr -d '\\0'"
    )


def entries(pattern="xen-*.conf"):
    return machine.succeed(
        f"find /boot/loader/entries -name '{pattern}' -printf '%f\\n' | sort"
    ).split()


def install(toplevel):
    machine.succeed(f"nix-env -p /nix/var/nix/profiles/system --set {toplevel}")
    return machine.succeed(f"{toplevel}/bin/switch-to-configuration boot 2>&1")


def healthy():
    machine.succeed("xen-boot-builder verify")
    assert "No change" in machine.succeed("xen-boot-builder info")
