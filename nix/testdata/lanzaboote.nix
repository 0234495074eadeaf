# Stand-ins for Lanzaboote's options, with their types and defaults, see declarations.nix.
{ config, lib, ... }:

let
  inherit (lib) mkOption types;

  cfg = config.boot.lanzaboote;
  option =
    type: default:
    mkOption {
      inherit type default;
    };
in
{
  options.boot.lanzaboote = {
    enable = option types.bool false;
    configurationLimit = option (types.nullOr types.int) null;
    pkiBundle = mkOption { type = types.nullOr types.path; };
    publicKeyFile = option types.path "${cfg.pkiBundle}/keys/db/db.pem";
    privateKeyFile = option types.path "${cfg.pkiBundle}/keys/db/db.key";
    extraEfiSysMountPoints = option (types.listOf types.str) [ ];
    allowUnsigned = option types.bool cfg.autoGenerateKeys.enable;
    autoGenerateKeys.enable = option types.bool false;
    autoEnrollKeys.enable = option types.bool false;
    measuredBoot = {
      enable = option types.bool false;
      pcrs = option (types.listOf types.int) [ ];
      pcrlockDirectory = option types.path "/var/lib/pcrlock.d";
      autoCryptenroll.enable = option types.bool false;
    };
    # Stands for lzbt with its arguments.
    hook = option types.path "/lzbt";
  };

  config = lib.mkIf cfg.enable {
    boot.loader.external = {
      enable = true;
      installHook = cfg.hook;
    };
    systemd.services = lib.mkIf cfg.measuredBoot.enable {
      systemd-pcrlock-make-policy.serviceConfig.ExecStart = [
        ""
        "echo the policy is made"
      ];
    };
  };
}
