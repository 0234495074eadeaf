# A machine with systemd-boot, Xen and xen-boot-builder, for the tests beside this file.
{
  lib,
  pkgs,
  ...
}:

{
  imports = [ ../module.nix ];

  virtualisation = {
    useBootLoader = true;
    useEFIBoot = true;
    # dom0 takes 2 GiB of it.
    memorySize = 3072;
    diskSize = 8192;
    xen = {
      enable = lib.mkDefault true;
      dom0Resources.memory = 2048;
    };
  };

  boot = {
    initrd.systemd.enable = true;
    loader = {
      timeout = 1;
      efi.canTouchEfiVariables = true;
      systemd-boot.enable = lib.mkDefault true;
      xen-boot-builder = {
        enable = lib.mkDefault true;
        verbosity = "info";
      };
    };
  };

  # The driver's shell is on the first virtio console. Xen has a console of its own, and it comes first.
  systemd.services.backdoor.script = lib.mkForce ''
    export USER=root HOME=/root PAGER=
    source /etc/profile
    cd /tmp
    console=hvc0
    if grep -qs xen /sys/hypervisor/type; then
      console=hvc1
    fi
    exec < /dev/$console > /dev/$console
    until exec 2> /dev/ttyS0; do sleep 0.1; done
    stty -F /dev/$console raw -echo
    echo "Spawning backdoor root shell..."
    PS1= exec ${lib.getExe pkgs.bashNonInteractive or pkgs.bash} --norc /dev/$console
  '';
}
