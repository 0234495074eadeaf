# Evaluates ../module.nix without nixpkgs, for nix_test.go: with as much of lib as the module
# uses, and none of its type checks. `machine` is JSON: what stands in the configuration.
{ machine }:

let
  given = builtins.fromJSON machine;

  lib = {
    inherit (builtins) concatMap concatStringsSep filter length;
    mkOption = option: option;
    mkEnableOption = description: {
      inherit description;
      default = false;
    };
    mkIf = condition: content: if condition then content else { };
    mkAfter = content: content;
    literalExpression = text: text;
    literalMD = text: text;
    optionals = condition: list: if condition then list else [ ];
    attrByPath =
      path: default: set:
      if path == [ ] then
        set
      else if set ? ${builtins.head path} then
        lib.attrByPath (builtins.tail path) default set.${builtins.head path}
      else
        default;
    splitString = separator: text: builtins.filter builtins.isString (builtins.split separator text);
    hasInfix = infix: text: builtins.length (builtins.split infix text) > 1;
    getExe = package: package;
    escapeShellArgs =
      args:
      builtins.concatStringsSep " " (
        map (arg: "'" + builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString arg) + "'") args
      );
    types = {
      enum = words: { inherit words; };
      listOf = _: { };
      nonEmptyListOf = _: { };
      nullOr = _: { };
      ints.unsigned = { };
      package = { };
      str = { };
    };
  };

  config = {
    inherit (given) virtualisation;
    boot = {
      lanzaboote = given.lanzaboote;
      loader = {
        efi.efiSysMountPoint = given.esp;
        systemd-boot = {
          enable = given.systemdBoot;
          xbootldrMountPoint = given.xbootldr;
        };
        xen-boot-builder = builtins.mapAttrs (_: option: option.default or null) options // given.settings;
      };
    };
  };

  module = import ../module.nix {
    inherit config lib;
    pkgs = {
      callPackage = _: _: null;
      writeShellScript = _: text: text;
    };
  };
  options = module.options.boot.loader.xen-boot-builder;
  loader = module.options.boot.loader;
  hook = module.config.boot.loader.systemd-boot.extraInstallCommands or { };
in
{
  # What systemd-boot's installer runs at its end, and what runs in place of Lanzaboote's hook.
  systemdBoot = loader.systemd-boot.extraInstallCommands.apply (
    builtins.concatStringsSep "\n" ([ given.commands ] ++ (if hook == { } then [ ] else [ hook ]))
  );
  external = loader.external.installHook.apply given.installHook;
  failed = map (a: a.message) (builtins.filter (a: !a.assertion) (module.config.assertions or [ ]));
  words = {
    layout = options.layout.type.words;
    default = options.default.type.words;
    verbosity = options.verbosity.type.words;
  };
}
