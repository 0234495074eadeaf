# What Lanzaboote's own module reads and sets of NixOS beside the options of declarations.nix.
{ lib, ... }:

let
  option =
    default:
    lib.mkOption {
      type = lib.types.anything;
      inherit default;
    };
in
{
  options = {
    boot.bootspec.extensions = option { };
    boot.kernelPackages = option { stdenv.hostPlatform.system = "x86_64-linux"; };
    boot.loader.timeout = option 5;
    boot.loader.supportsInitrdSecrets = option false;
    boot.loader.systemd-boot.consoleMode = option "keep";
    services.fwupd.enable = option false;
    services.fwupd.uefiCapsuleSettings = option { };
    systemd.additionalUpstreamSystemUnits = option [ ];
    systemd.package = option "/systemd";

    # The stand-in's, which the test's configurations set.
    boot.lanzaboote.hook = option null;
  };
}
