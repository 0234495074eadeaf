# Evaluates a small system with the module and all of nixpkgs', for peers_test.go.
{ nixpkgs }:

let
  system = import (nixpkgs + "/nixos/lib/eval-config.nix") {
    system = "x86_64-linux";
    modules = [
      ../module.nix
      (
        { lib, options, ... }:
        {
          boot.loader.systemd-boot.enable = true;
          boot.loader.xen-boot-builder.enable = true;
          boot.initrd.systemd.enable = true;
          fileSystems."/".device = "/dev/disk/by-label/nixos";
          virtualisation.xen = {
            enable = true;
          }
          // (
            if options.virtualisation.xen ? boot then
              { boot.builderVerbosity = "info"; }
            else
              { efi.bootBuilderVerbosity = "info"; }
          );
          system.stateVersion = lib.trivial.release;
        }
      )
    ];
  };
  inherit (system) config;
in
{
  hook = builtins.unsafeDiscardStringContext config.boot.loader.systemd-boot.extraInstallCommands;
  failed = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
}
