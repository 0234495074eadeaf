# NixOS module: xen-boot-builder in place of nixpkgs' script, behind systemd-boot or Lanzaboote.
#
# Xen itself stays with nixpkgs (virtualisation.xen). Leave this on for as long as any
# generation with Xen is in the menu; docs/migration.md says how to go back.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:

let
  inherit (lib) literalExpression mkOption types;

  cfg = config.boot.loader.xen-boot-builder;
  xen = config.virtualisation.xen or { enable = false; };
  systemdBoot = config.boot.loader.systemd-boot;
  # Lanzaboote is not a part of nixpkgs, so its options may not be there.
  lanzaboote = config.boot.lanzaboote or { enable = false; };
  isAarch64 = pkgs.stdenv.hostPlatform.isAarch64;

  xbootldr = if systemdBoot.enable then systemdBoot.xbootldrMountPoint or null else null;

  specialisations = map (s: s.configuration) (lib.attrValues (config.specialisation or { }));
  xenSomewhere =
    xen.enable or false || lib.any (s: s.virtualisation.xen.enable or false) specialisations;

  # Lanzaboote signs with these two files; its pkiBundle only gives their defaults. Without either,
  # the default itself can't be evaluated.
  lanzabooteFile =
    name:
    let
      file = options.boot.lanzaboote.${name};
      bundle = options.boot.lanzaboote.pkiBundle;
      isSet = file.highestPrio < (lib.mkOptionDefault null).priority;
    in
    if lanzaboote.enable && (isSet || bundle.isDefined && lanzaboote.pkiBundle != null) then
      toString lanzaboote.${name}
    else
      null;

  # Services of Lanzaboote that call lzbt directly, past any wrapper.
  lanzabooteServices =
    lanzaboote.allowUnsigned or false
    || lanzaboote.autoEnrollKeys.enable or false
    || lanzaboote.measuredBoot.autoCryptenroll.enable or false;

  measured = lanzaboote.enable && lanzaboote.measuredBoot.enable or false;

  # How many images systemd-pcrlock has to know at most. Without a limit Lanzaboote complains itself.
  measuredImages =
    let
      stubs = if measured then lanzaboote.configurationLimit or null else null;
      limit = if lib.isInt cfg.limit && cfg.limit > 0 then cfg.limit else stubs;
    in
    if stubs == null then 0 else stubs + lib.min limit stubs;

  # Xen's images can't be signed on aarch64, so no key is of use there.
  canSign = !isAarch64;
  signs = canSign && cfg.signing.certFile != null;

  # try needs an EFI variable.
  default =
    if cfg.default == "try" && !config.boot.loader.efi.canTouchEfiVariables then
      "nixos"
    else
      cfg.default;

  certFile =
    if builtins.isPath cfg.signing.certFile then "${cfg.signing.certFile}" else cfg.signing.certFile;

  variantFile =
    name: variant:
    pkgs.writeText "xen-variant-${name}.json" (
      builtins.toJSON (lib.filterAttrs (_: value: value != null) variant)
    );

  # One long flag for each line, without its dashes. /etc has the same file, so that by hand no
  # flags are needed. The hook names it in the store: in the middle of a rebuild, /etc is still that
  # of the system before.
  settings =
    map (esp: "esp ${esp}") cfg.esps
    ++ lib.optional (xbootldr != null) "boot ${xbootldr}"
    ++ [
      "layout ${cfg.layout}"
      "default ${default}"
      "limit ${toString cfg.limit}"
    ]
    ++ lib.optionals signs (
      if cfg.signing.command != null then
        [ "sign-command ${cfg.signing.command}" ]
      else
        [ "sign-key ${cfg.signing.keyFile}" ]
    )
    ++ lib.optional signs "sign-cert ${certFile}"
    ++ lib.optional (cfg.pcrlockDir != null) "pcrlock-dir ${cfg.pcrlockDir}"
    ++ lib.mapAttrsToList (name: variant: "variant ${name}=${variantFile name variant}") cfg.variants;

  settingsFile = pkgs.writeText "xen-boot-builder.conf" (lib.concatLines settings);

  install =
    args:
    lib.escapeShellArgs (
      [
        (lib.getExe cfg.package)
        "install"
        "--config"
        "${settingsFile}"
        "--verbosity"
        cfg.verbosity
      ]
      ++ args
      ++ cfg.extraArgs
    );

  # With allowUnsigned Lanzaboote installs without a key, and so must not fail because of us.
  waitsForKeys = signs && cfg.signing.command == null && lanzaboote.allowUnsigned or false;

  installOnceSigned =
    if waitsForKeys then
      ''
        if [ -e ${lib.escapeShellArg cfg.signing.keyFile} ] && [ -e ${lib.escapeShellArg certFile} ]; then
          ${install [ ]}
        else
          echo xen-boot-builder: warning: no Xen entries yet: there is no key ${lib.escapeShellArg cfg.signing.keyFile} >&2
        fi''
    else
      install [ ];

  # Lanzaboote makes the TPM policy at the end of its own run, when our images are not there yet.
  policyCommand = lib.last (
    lib.toList (config.systemd.services.systemd-pcrlock-make-policy.serviceConfig.ExecStart or "")
  );
  remakePolicy = lib.optionalString (measured && cfg.pcrlockDir != null && policyCommand != "") ''
    if ${pkgs.gnugrep}/bin/grep -qs control_d /proc/xen/capabilities; then
      echo xen-boot-builder: warning: dom0 has no TPM event log, so the TPM policy stays as it was. Start NixOS without Xen once and rebuild there >&2
    else
      ${policyCommand}
    fi
  '';

  # Lanzaboote has no hook that runs after it, so its own is wrapped. `set -e`: if it fails,
  # what it left is not for us to build on.
  lanzabooteThenXen =
    hook:
    "${pkgs.writeShellScript "install-lanzaboote-and-xen" ''
      set -e
      ${hook} "$@"
      ${installOnceSigned}
      ${remakePolicy}
    ''}";

  # nixpkgs' script: by its names so far, and by the program that nixpkgs' module calls, whatever its name.
  nixpkgsCommands = map (d: d.value) (
    lib.filter (d: lib.hasSuffix "/virtualisation/xen-dom0.nix" (toString d.file)) (
      options.boot.loader.systemd-boot.extraInstallCommands.definitionsWithLocations or [ ]
    )
  );
  nixpkgsPrograms = lib.filter (program: program != lib.getExe cfg.package) (
    lib.concatMap (
      text:
      let
        word = builtins.match "[[:space:]]*[\"']?([^\"'[:space:]]+).*" text;
      in
      if word == null then [ ] else word
    ) (map builtins.unsafeDiscardStringContext nixpkgsCommands)
  );
  scriptRegex = "(${
    lib.concatStringsSep "|" (
      [ "([^\"';&|[:space:]]*/)?(xenBootBuilder|xen-boot-builder\\.sh)" ]
      ++ map lib.escapeRegex nixpkgsPrograms
    )
  })";

  # A line that only calls the script: assignments, exec, the program, quoted or not, and words.
  callsScript =
    line:
    builtins.match "[[:space:]]*([A-Za-z_][A-Za-z0-9_]*=[^;&|[:space:]]*[[:space:]]+)*(exec[[:space:]]+)?[\"']?${scriptRegex}[\"']?([[:space:]]+[^;&|<>]*)?" line
    != null;
  # A line in which the script occurs anywhere but in a comment.
  namesScript =
    line:
    builtins.match "[[:space:]]*#.*" line == null
    && builtins.match "(.*[^A-Za-z0-9_-])?${scriptRegex}([^A-Za-z0-9_-].*)?" line != null;

  withoutScript =
    text: lib.concatStringsSep "\n" (lib.filter (line: !callsScript line) (lib.splitString "\n" text));

  absolutePath = lib.mkOptionType {
    name = "absolutePath";
    description = "absolute path, as a string";
    descriptionClass = "noun";
    # A Nix path would be copied into the store, where all can read it. A line break would be
    # another line of the configuration file.
    check = value: lib.isString value && lib.hasPrefix "/" value && !(lib.hasInfix "\n" value);
    merge = lib.mergeEqualOption;
  };

  inStore = file: file != null && lib.hasPrefix "${builtins.storeDir}/" (toString file);

  otherLoader =
    let
      loader = config.boot.loader;
    in
    if loader.grub.enable or false then
      "GRUB"
    else if loader.limine.enable or false then
      "Limine"
    else if loader.external.enable or false then
      "an external boot loader"
    else
      "no boot loader";
in
{
  options.boot.loader.xen-boot-builder = {
    enable = lib.mkEnableOption "xen-boot-builder, which takes the place of nixpkgs' script for Xen's boot entries";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = literalExpression "pkgs.callPackage ./package.nix { }";
      example = literalExpression "pkgs.xen-boot-builder";
      description = "The package of xen-boot-builder.";
    };

    esps = mkOption {
      type = types.nonEmptyListOf absolutePath;
      default = [
        config.boot.loader.efi.efiSysMountPoint
      ]
      ++ lib.optionals lanzaboote.enable (lanzaboote.extraEfiSysMountPoints or [ ]);
      defaultText = lib.literalMD "{option}`boot.loader.efi.efiSysMountPoint`, and Lanzaboote's `extraEfiSysMountPoints`";
      example = [
        "/boot"
        "/boot2"
      ];
      description = "Mount points of the EFI System Partitions. Each is brought in line in turn.";
    };

    layout = mkOption {
      type = types.enum [
        "auto"
        "shared"
        "embedded"
        "unified"
      ];
      default = if isAarch64 then "shared" else "auto";
      defaultText = lib.literalMD "`auto`, or on aarch64 `shared`";
      example = "shared";
      description = ''
        How a generation is laid out on the boot partition. `auto` is `unified`, one signed image for each
        generation, with a key, and `shared` without. On aarch64 only `shared` works.
      '';
    };

    default = mkOption {
      type = types.enum [
        "xen"
        "nixos"
        "keep"
        "try"
      ];
      default = "xen";
      example = "try";
      description = ''
        Which entry {file}`loader.conf` starts: `xen`, the Xen sibling of NixOS' own choice; `nixos`, NixOS
        without Xen; `keep`, what it says already.

        `try` is for a machine out of reach: the newest Xen entry is started once, at the next boot, and
        becomes the default after {command}`bless` ran under it, once it is up. Until then every
        other boot starts what has proven itself. It needs {option}`boot.loader.efi.canTouchEfiVariables`.
      '';
    };

    limit = mkOption {
      type = types.either types.ints.unsigned (types.enum [ "fit" ]);
      default = 0;
      example = 10;
      description = ''
        Xen entries for the newest so many generations of each profile; 0 is for all that NixOS has an entry
        for, `"fit"` for as many as there is disk space for.
      '';
    };

    verbosity = mkOption {
      type = types.enum [
        "quiet"
        "default"
        "info"
        "debug"
      ];
      # Where Xen was switched off, there is nothing to say each time about the entries that are going.
      default =
        if !xenSomewhere then
          "quiet"
        else
          xen.boot.builderVerbosity or xen.efi.bootBuilderVerbosity or "default";
      defaultText = lib.literalMD "{option}`virtualisation.xen.boot.builderVerbosity`; `quiet` where neither the system nor a specialisation has Xen";
      example = "info";
      description = "How much a rebuild prints about Xen's entries.";
    };

    signing = {
      pkiBundle = mkOption {
        type = types.nullOr absolutePath;
        default = null;
        example = "/var/lib/sbctl";
        description = ''
          Key directory of sbctl, which gives {option}`keyFile` and {option}`certFile` their defaults. Not
          needed with Lanzaboote.
        '';
      };

      keyFile = mkOption {
        type = types.nullOr absolutePath;
        default =
          if cfg.signing.pkiBundle != null then
            "${cfg.signing.pkiBundle}/keys/db/db.key"
          else
            lanzabooteFile "privateKeyFile";
        defaultText = lib.literalMD "the {option}`pkiBundle`'s, or Lanzaboote's `privateKeyFile`";
        example = "/var/lib/sbctl/keys/db/db.key";
        description = ''
          RSA key that signs the images, in PEM and not encrypted. With it each generation becomes one signed
          image. A string, so that the key is never copied into the store.
        '';
      };

      certFile = mkOption {
        type = types.nullOr types.path;
        default =
          if cfg.signing.pkiBundle != null then
            "${cfg.signing.pkiBundle}/keys/db/db.pem"
          else
            lanzabooteFile "publicKeyFile";
        defaultText = lib.literalMD "the {option}`pkiBundle`'s, or Lanzaboote's `publicKeyFile`";
        example = "/var/lib/sbctl/keys/db/db.pem";
        description = "The key's certificate, in PEM.";
      };

      command = mkOption {
        type = types.nullOr absolutePath;
        default = null;
        example = literalExpression ''"''${pkgs.writeShellScript "sign" "exec sbsign …"}"'';
        description = ''
          Program that signs in place of a key in a file. Its arguments are the unsigned image and the path
          to write the signed one to. The {option}`certFile` says what its signatures are verified with.
        '';
      };
    };

    pcrlockDir = mkOption {
      type = types.nullOr absolutePath;
      default =
        if measured && lib.elem 4 (lanzaboote.measuredBoot.pcrs or [ ]) then
          toString lanzaboote.measuredBoot.pcrlockDirectory
        else
          null;
      defaultText = lib.literalMD "Lanzaboote's `measuredBoot.pcrlockDirectory`, where it locks PCR 4";
      example = "/var/lib/pcrlock.d";
      description = ''
        Directory in which a component for {manpage}`systemd-pcrlock(8)` is kept for each signed image. The TPM policy can't be made
        inside dom0, which has no TPM event log: `docs/measured-boot.md` says what works.
      '';
    };

    variants = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = {
            xenParams = mkOption {
              type = types.listOf types.str;
              default = [ ];
              example = [
                "loglvl=all"
                "console=com1"
              ];
              description = "Parameters of Xen, added to the generation's own.";
            };
            xen = mkOption {
              type = types.nullOr types.path;
              default = null;
              example = literalExpression ''"''${pkgs.xen.boot}/''${pkgs.xen.efi}"'';
              description = "Another {file}`xen.efi`; `null` for the generation's own.";
            };
            ucode = mkOption {
              type = types.nullOr types.path;
              default = null;
              example = literalExpression ''"''${pkgs.microcode-intel}/intel-ucode.img"'';
              description = "Microcode that Xen loads.";
            };
            xsm = mkOption {
              type = types.nullOr types.path;
              default = null;
              example = "/etc/xen/xenpolicy";
              description = "Policy of Xen's Security Modules.";
            };
          };
        }
      );
      default = { };
      example = literalExpression ''
        {
          verbose.xenParams = [
            "loglvl=all"
            "console=com1"
          ];
        }
      '';
      description = ''
        Extra entries of the newest generation, with another Xen or other parameters, without evaluating
        another system. None of them is ever the default.
      '';
    };

    bless.check = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "systemctl is-active sshd.service";
      description = ''
        With {option}`default` `"try"`: a command that has to succeed before the started Xen entry becomes
        the default.
      '';
    };

    verify = {
      enable = lib.mkEnableOption "a timer that verifies Xen's entries; its service fails where one can't boot or was forged";

      dates = mkOption {
        type = types.str;
        default = "weekly";
        example = "daily";
        description = "When, as in {manpage}`systemd.time(7)`.";
      };
    };

    extraArgs = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "--run-initrd-secrets" ];
      description = "More arguments for `xen-boot-builder install`.";
    };

    installCommand = mkOption {
      type = types.str;
      readOnly = true;
      default = installOnceSigned;
      defaultText = lib.literalMD "a call of `xen-boot-builder install`";
      example = literalExpression "config.boot.loader.xen-boot-builder.installCommand";
      description = ''
        The shell command that makes Xen's entries, for hooks of your own: where
        {option}`boot.loader.systemd-boot.extraInstallCommands` is set with `mkForce`, or for builders of
        images.
      '';
    };
  };

  # Without the option of nix/upstream, nixpkgs' module for Xen offers no way to leave its script out. Both
  # would write the same entries, and the script begins with deleting all of them: so its line is taken out here.
  options.boot.loader.systemd-boot.extraInstallCommands = mkOption {
    apply = text: if cfg.enable then withoutScript text else text;
  };

  options.boot.loader.external.installHook = mkOption {
    apply = hook: if cfg.enable && lanzaboote.enable then lanzabooteThenXen hook else hook;
  };

  config = lib.mkMerge [
    (lib.mkIf cfg.enable {
      assertions = [
        {
          assertion = systemdBoot.enable || lanzaboote.enable;
          message = ''
            boot.loader.xen-boot-builder makes entries for systemd-boot, and here is ${otherLoader}.
            Set boot.loader.systemd-boot.enable = true, or use Lanzaboote; or boot.loader.xen-boot-builder.enable = false.
          '';
        }
        {
          assertion = xbootldr == null || lib.length cfg.esps == 1;
          message = "boot.loader.xen-boot-builder.esps can name only one ESP where there is an XBOOTLDR partition.";
        }
        {
          assertion = isAarch64 -> cfg.layout == "shared";
          message = "boot.loader.xen-boot-builder.layout has to be \"shared\" on aarch64: nothing can be added to Xen's image there.";
        }
        {
          assertion = lanzaboote.enable && canSign -> signs;
          message = ''
            Lanzaboote signs, but no key is known for Xen's images: the firmware would refuse them.
            Set boot.lanzaboote.pkiBundle, or boot.loader.xen-boot-builder.signing.
          '';
        }
        {
          assertion =
            if cfg.signing.command != null then
              cfg.signing.certFile != null
            else
              (cfg.signing.keyFile != null) == (cfg.signing.certFile != null);
          message = "boot.loader.xen-boot-builder.signing needs certFile and one of keyFile and command.";
        }
        {
          assertion =
            systemdBoot.enable
            -> builtins.replaceStrings [ cfg.installCommand ] [ "" ] systemdBoot.extraInstallCommands
              != systemdBoot.extraInstallCommands;
          message = ''
            boot.loader.systemd-boot.extraInstallCommands is set with mkForce, so xen-boot-builder would not run.
            Use mkBefore or mkAfter instead, or end it with ''${config.boot.loader.xen-boot-builder.installCommand}.
          '';
        }
        {
          assertion =
            systemdBoot.enable
            -> !(lib.any namesScript (lib.splitString "\n" systemdBoot.extraInstallCommands));
          message = ''
            boot.loader.systemd-boot.extraInstallCommands runs nixpkgs' script for Xen in a longer line, beside
            xen-boot-builder: both write the same entries. Take the script out of that line.
          '';
        }
      ];

      warnings =
        lib.optional (cfg.default == "try" && default != "try") ''
          boot.loader.xen-boot-builder.default = "try" needs an EFI variable, but boot.loader.efi.canTouchEfiVariables is
          false. NixOS without Xen is started; choose Xen in the menu.
        ''
        ++ lib.optional (canSign && inStore cfg.signing.keyFile) ''
          boot.loader.xen-boot-builder.signing.keyFile is in the Nix store: every user of this machine can read it.
        ''
        ++ lib.optional (cfg.pcrlockDir != null && measuredImages > 8) ''
          systemd-pcrlock takes 8 images, and there can be ${toString measuredImages}: NixOS' own and Xen's. Then no TPM policy is made.
          Set boot.lanzaboote.configurationLimit = 4, or a boot.loader.xen-boot-builder.limit.
        ''
        ++ lib.optional (isAarch64 && lanzaboote.enable) ''
          On aarch64 Xen's image can't be signed: under Secure Boot the firmware refuses Xen's entries.
        '';

      # Behind everything else, so that its exit status is that of the whole installer.
      boot.loader.systemd-boot.extraInstallCommands = lib.mkIf systemdBoot.enable (
        lib.mkOrder 3000 cfg.installCommand
      );

      # Only where nixpkgs has the option, see nix/upstream.
      virtualisation.xen = lib.optionalAttrs (options.virtualisation.xen.boot or { } ? builder) {
        boot.builder = lib.mkDefault null;
      };

      environment.systemPackages = [ cfg.package ];
      environment.etc."xen-boot-builder.conf".source = settingsFile;
    })

    (lib.mkIf (cfg.enable && default == "try") {
      systemd.targets.boot-complete = {
        description = lib.mkDefault "Boot Completion Check";
        requires = [ "sysinit.target" ];
        after = [ "sysinit.target" ];
      };

      systemd.services.xen-boot-builder-bless = {
        description = "Make the started Xen entry the default";
        documentation = [ "man:xen-boot-builder(8)" ];
        wantedBy = [ "multi-user.target" ];
        requires = [ "boot-complete.target" ];
        # boot-complete.target alone is reached as soon as nothing is left that was to be checked before it.
        after = [
          "boot-complete.target"
          "multi-user.target"
          "local-fs.target"
          "proc-xen.mount"
        ];
        # What a rebuild changes here has no bearing on what was started.
        restartIfChanged = false;
        unitConfig.ConditionPathExists = "/proc/xen/capabilities";
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          # Only in dom0.
          ExecCondition = "${pkgs.gnugrep}/bin/grep -q control_d /proc/xen/capabilities";
        };
        script = lib.escapeShellArgs (
          [
            (lib.getExe cfg.package)
            "bless"
            "--config"
            "${settingsFile}"
          ]
          ++ lib.optionals (cfg.bless.check != null) [
            "--check"
            cfg.bless.check
          ]
        );
      };
    })

    (lib.mkIf (cfg.enable && lanzaboote.enable && signs && lanzabooteServices) {
      # Keys that come later, and loader.conf as Lanzaboote's own services leave it.
      systemd.services.xen-boot-builder = {
        description = "Make Xen's boot entries";
        documentation = [ "man:xen-boot-builder(8)" ];
        wantedBy = [ "multi-user.target" ];
        after = [
          "local-fs.target"
          "generate-sb-keys.service"
          "prepare-sb-auto-enroll.service"
          "auto-cryptenroll.service"
        ];
        restartIfChanged = false;
        unitConfig.ConditionPathExists = lib.optionals (cfg.signing.command == null) [
          cfg.signing.keyFile
          certFile
        ];
        serviceConfig.Type = "oneshot";
        # A boot is not the time to arm another trial.
        script = install (
          lib.optionals (default == "try") [
            "--default"
            "keep"
          ]
        );
      };

      systemd.paths.xen-boot-builder = lib.mkIf waitsForKeys {
        description = "Watch for the key that signs Xen's images";
        wantedBy = [ "multi-user.target" ];
        pathConfig.PathChanged = [
          cfg.signing.keyFile
          certFile
        ];
      };
    })

    (lib.mkIf (cfg.enable && cfg.verify.enable) {
      systemd.services.xen-boot-builder-verify = {
        description = "Verify Xen's boot entries";
        documentation = [ "man:xen-boot-builder(8)" ];
        serviceConfig.Type = "oneshot";
        script = lib.escapeShellArgs [
          (lib.getExe cfg.package)
          "verify"
          "--config"
          "${settingsFile}"
          "quiet"
        ];
      };

      systemd.timers.xen-boot-builder-verify = {
        description = "Verify Xen's boot entries";
        wantedBy = [ "timers.target" ];
        timerConfig = {
          OnCalendar = cfg.verify.dates;
          Persistent = true;
          RandomizedDelaySec = "1h";
        };
      };
    })

    (lib.mkIf (!cfg.enable) {
      # Only the system's own hook runs when a boot loader is installed, not those of its specialisations.
      warnings =
        lib.optional (lib.any (s: s.boot.loader.xen-boot-builder.enable or false) specialisations)
          ''
            boot.loader.xen-boot-builder.enable is set in a specialisation only, where it has no effect: set it in the
            system itself. Xen may be enabled in the specialisation alone.
          '';
    })
  ];
}
