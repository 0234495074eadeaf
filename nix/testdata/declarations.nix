# Stand-ins for the options of nixpkgs and Lanzaboote that the module reads or sets, with their types. Which there are
# depends on `nixpkgs`: "new" has virtualisation.xen.boot, "old" virtualisation.xen.efi, "ancient" no Xen for systemd-boot.
{
  nixpkgs ? "new",
  withLanzaboote ? false,
}:

{
  config,
  lib,
  extendModules,
  ...
}:

let
  inherit (lib) mkOption types;

  option =
    type: default:
    mkOption {
      inherit type default;
    };
  required = type: mkOption { inherit type; };

  xen = config.virtualisation.xen;
  scriptCall =
    verbosity: "/nix/store/0000-xenBootBuilder/bin/xenBootBuilder ${verbosity}";

  unit = {
    description = option types.str "";
    documentation = option (types.listOf types.str) [ ];
    wantedBy = option (types.listOf types.str) [ ];
    requires = option (types.listOf types.str) [ ];
    before = option (types.listOf types.str) [ ];
    partOf = option (types.listOf types.str) [ ];
    wants = option (types.listOf types.str) [ ];
    after = option (types.listOf types.str) [ ];
    unitConfig = option (types.attrsOf types.anything) { };
  };
  units = more: option (types.attrsOf (types.submodule { options = unit // more; })) { };
in
{
  # nixpkgs' modules are files, and their names are where definitions come from.
  imports = [
    {
      _file = "/nixpkgs/nixos/modules/virtualisation/xen-dom0.nix";
      options.virtualisation.xen = {
        enable = option types.bool false;
        dom0Resources.memory = option types.ints.unsigned 0;
      }
      // lib.optionalAttrs (nixpkgs == "new") {
        boot = {
          params = option (types.listOf types.str) [ ];
          builderVerbosity = option (types.enum [
            "default"
            "info"
            "debug"
            "quiet"
          ]) "default";
        };
      }
      // lib.optionalAttrs (nixpkgs == "patched") {
        # As nix/upstream proposes.
        boot = {
          builder = option (types.nullOr types.path) "/nix/store/0000-xenBootBuilder/bin/xenBootBuilder";
          builderVerbosity = option types.str "default";
        };
      }
      // lib.optionalAttrs (nixpkgs == "renamed") {
        boot.builderVerbosity = option types.str "default";
      }
      // lib.optionalAttrs (nixpkgs == "old") {
        bootParams = option (types.listOf types.str) [ ];
        efi.bootBuilderVerbosity = option (types.enum [
          "default"
          "info"
          "debug"
          "quiet"
        ]) "default";
      };

      config = lib.mkIf xen.enable {
        boot.loader.systemd-boot.extraInstallCommands = {
          new = scriptCall xen.boot.builderVerbosity;
          patched = lib.mkIf (xen.boot.builder != null) "${xen.boot.builder} ${xen.boot.builderVerbosity}";
          renamed = "'/nix/store/0000-xen-entries/bin/xen-entries' ${xen.boot.builderVerbosity}";
          old = ''
            ${scriptCall xen.efi.bootBuilderVerbosity}
          '';
          ancient = "";
        }.${nixpkgs};
      };
    }
  ]
  ++ lib.optional withLanzaboote ./lanzaboote.nix;

  options = {
    assertions = option (types.listOf types.anything) [ ];
    warnings = option (types.listOf types.str) [ ];

    boot.kernelParams = option (types.listOf types.str) [ ];
    boot.initrd.systemd.enable = option types.bool false;
    system.build = option (types.attrsOf types.anything) { };

    boot.loader = {
      efi = {
        efiSysMountPoint = option types.str "/boot";
        canTouchEfiVariables = option types.bool false;
      };
      systemd-boot = {
        enable = option types.bool false;
        editor = option types.bool true;
        configurationLimit = option (types.nullOr types.int) null;
        extraInstallCommands = option types.lines "";
      }
      // lib.optionalAttrs (nixpkgs != "ancient") {
        xbootldrMountPoint = option (types.nullOr types.str) null;
      };
      external = {
        enable = option types.bool false;
        installHook = required types.path;
      };
      grub.enable = option types.bool false;
    }
    // lib.optionalAttrs (nixpkgs == "new") {
      limine.enable = option types.bool false;
    };

    environment = {
      systemPackages = option (types.listOf types.package) [ ];
      etc = option (types.attrsOf (
        types.submodule {
          options = {
            source = required types.path;
            target = option types.str "";
          };
        }
      )) { };
    };

    systemd = {
      services = units {
        environment = option (types.attrsOf types.anything) { };
        script = option types.lines "";
        restartIfChanged = option types.bool true;
        serviceConfig = option (types.attrsOf types.anything) { };
      };
      paths = units { pathConfig = option (types.attrsOf types.anything) { }; };
      timers = units { timerConfig = option (types.attrsOf types.anything) { }; };
      targets = units { };
    };

    specialisation = option (types.attrsOf (
      types.submodule {
        options.configuration = mkOption {
          default = { };
          type = lib.mkOptionType {
            name = "system";
            check = v: builtins.isAttrs v || builtins.isFunction v;
            merge =
              _: defs:
              (extendModules {
                modules = map (d: d.value) defs ++ [ { specialisation = lib.mkOverride 0 { }; } ];
              }).config;
          };
        };
      }
    )) { };
  };
}
