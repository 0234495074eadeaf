# NixOS module: xen-boot-builder in place of nixpkgs' script, behind systemd-boot or Lanzaboote.
#
# Xen itself stays with nixpkgs (virtualisation.xen). Leave this on for as long as any
# generation with Xen is in the menu; docs/migration.md says how to go back.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;

  cfg = config.boot.loader.xen-boot-builder;
  systemdBoot = config.boot.loader.systemd-boot;
  # Lanzaboote is not a part of nixpkgs, so its options may not be there.
  lanzaboote = config.boot.lanzaboote or { enable = false; };

  xbootldr = if systemdBoot.enable then systemdBoot.xbootldrMountPoint or null else null;

  flag = name: value: [
    name
    (toString value)
  ];

  command = lib.escapeShellArgs (
    [
      (lib.getExe cfg.package)
      "install"
    ]
    ++ lib.concatMap (flag "--esp") cfg.esps
    ++ lib.optionals (xbootldr != null) (flag "--boot" xbootldr)
    ++ flag "--layout" cfg.layout
    ++ flag "--default" cfg.default
    ++ flag "--limit" cfg.limit
    ++ flag "--verbosity" cfg.verbosity
    ++ lib.optionals (cfg.pkiBundle != null) (flag "--pki-bundle" cfg.pkiBundle)
    ++ cfg.extraArgs
  );

  # Lanzaboote has no hook that runs after it, so its own is wrapped. `set -e`: if it fails,
  # what it left is not for us to build on.
  lanzabooteThenXen =
    hook:
    "${pkgs.writeShellScript "install-lanzaboote-and-xen" ''
      set -e
      ${hook} "$@"
      ${command}
    ''}";
in
{
  options.boot.loader.xen-boot-builder = {
    enable = lib.mkEnableOption "xen-boot-builder, which takes the place of nixpkgs' script for Xen's boot entries";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The package of xen-boot-builder.";
    };

    esps = mkOption {
      type = types.nonEmptyListOf types.str;
      default = [
        config.boot.loader.efi.efiSysMountPoint
      ]
      ++ lib.optionals lanzaboote.enable (lanzaboote.extraEfiSysMountPoints or [ ]);
      defaultText = lib.literalMD "`boot.loader.efi.efiSysMountPoint`, and Lanzaboote's `extraEfiSysMountPoints`";
      description = "Mount points of the EFI System Partitions. Each is brought in line in turn.";
    };

    layout = mkOption {
      type = types.enum [
        "auto"
        "shared"
        "embedded"
        "unified"
      ];
      default = "auto";
      description = ''
        How a generation is laid out on the boot partition. `auto` is `unified` with a key,
        `shared` without.
      '';
    };

    default = mkOption {
      type = types.enum [
        "xen"
        "nixos"
        "keep"
      ];
      default = "xen";
      description = "Which entry `loader.conf` starts: the Xen sibling of NixOS' default, NixOS, or what it says already.";
    };

    limit = mkOption {
      type = types.ints.unsigned;
      default = 0;
      description = "Xen entries for the newest so many generations of each profile; 0 is for all that NixOS has an entry for.";
    };

    verbosity = mkOption {
      type = types.enum [
        "quiet"
        "default"
        "info"
        "debug"
      ];
      default = lib.attrByPath [ "virtualisation" "xen" "boot" "builderVerbosity" ] "default" config;
      defaultText = lib.literalExpression "config.virtualisation.xen.boot.builderVerbosity";
      description = "How much a rebuild prints about Xen's entries.";
    };

    pkiBundle = mkOption {
      # No path: that would copy the key into the store, for all to read.
      type = types.nullOr types.str;
      default =
        if lanzaboote.enable && (lanzaboote.pkiBundle or null) != null then
          toString lanzaboote.pkiBundle
        else
          null;
      defaultText = lib.literalMD "Lanzaboote's `pkiBundle`, where Lanzaboote is on";
      example = "/var/lib/sbctl";
      description = ''
        Key directory of sbctl. With it each generation becomes one signed image. The key has to
        exist when NixOS is installed: without it the installation of the boot loader fails.
      '';
    };

    extraArgs = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [
        "--run-initrd-secrets"
      ];
      description = "More arguments for `xen-boot-builder install`.";
    };
  };

  # nixpkgs' module for Xen offers no way to leave its script out. Both would write the same
  # entries, and the script begins with deleting all of them: so its line is taken out here.
  options.boot.loader.systemd-boot.extraInstallCommands = mkOption {
    apply =
      commands:
      if cfg.enable then
        lib.concatStringsSep "\n" (
          lib.filter (line: !(lib.hasInfix "/bin/xenBootBuilder " line)) (lib.splitString "\n" commands)
        )
      else
        commands;
  };

  options.boot.loader.external.installHook = mkOption {
    apply = hook: if cfg.enable && lanzaboote.enable then lanzabooteThenXen hook else hook;
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = systemdBoot.enable || lanzaboote.enable;
        message = "boot.loader.xen-boot-builder works with boot.loader.systemd-boot and with Lanzaboote.";
      }
      {
        assertion = xbootldr == null || lib.length cfg.esps == 1;
        message = "boot.loader.xen-boot-builder.esps can name only one ESP where there is an XBOOTLDR partition.";
      }
    ];

    # Last, so that its exit status is that of the whole installer.
    boot.loader.systemd-boot.extraInstallCommands = lib.mkIf systemdBoot.enable (lib.mkAfter command);

    environment.systemPackages = [ cfg.package ];
  };
}
