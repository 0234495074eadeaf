# Evaluates ../module.nix in one configuration and says what becomes of it, for module_test.go.
{
  # The configuration: the path of a module.
  machine,
  # The directory that the program lies in, at bin/xen-boot-builder.
  package,
  system ? "x86_64-linux",
  nixpkgs ? "new",
  withLanzaboote ? false,
  # Lanzaboote's own module in place of the stand-in, where there is one. It takes nixpkgs' lib.
  lanzabooteModule ? "",
  # nixpkgs' lib in place of lib.nix, where there is one.
  libPath ? "",
  # What is asked: "hooks", "assertions" alone, or "options".
  what ? "hooks",
}:

let
  lib = import (if libPath == "" then ./lib.nix else libPath);

  xen-boot-builder = {
    type = "derivation";
    name = "xen-boot-builder";
    outPath = package;
    meta.mainProgram = "xen-boot-builder";
  };

  pkgs = {
    stdenv.hostPlatform = {
      inherit system;
      isAarch64 = system == "aarch64-linux";
      isx86_64 = system == "x86_64-linux";
    };
    writeText = builtins.toFile;
    # Nothing makes it executable here, module_test.go does.
    writeShellScript = name: text: builtins.toFile name "#!/bin/sh\n${text}";
    gnugrep = "/usr";
    iputils = "/usr";
    callPackage = _: _: xen-boot-builder;

    # For Lanzaboote's module.
    formats = lib.genAttrs [ "keyValue" "yaml" "json" ] (_: _: {
      type = lib.types.attrsOf lib.types.anything;
      generate = name: value: builtins.toFile name (builtins.toJSON value);
    });
    writeShellScriptBin = name: text: "${builtins.toFile name text}";
    runCommand = name: _: _: "/stand-in/${name}";
    lzbt = xen-boot-builder;
    coreutils = "/usr";
    sbctl = "/usr";
    sbsigntool = "/usr";
  };

  eval = lib.evalModules {
    modules = [
      (import ./declarations.nix {
        inherit nixpkgs;
        withLanzaboote = withLanzaboote && lanzabooteModule == "";
      })
      ../module.nix
      machine
    ]
    ++ lib.optionals (lanzabooteModule != "") [
      lanzabooteModule
      ./around-lanzaboote.nix
    ];
    specialArgs = { inherit pkgs; };
  };
  inherit (eval) config;

  failed = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);

  own = eval.options.boot.loader.xen-boot-builder;

  units =
    kind: field:
    lib.mapAttrs (_: unit: {
      inherit (unit)
        wantedBy
        requires
        after
        unitConfig
        ;
      config = unit.${field} or { };
      script = unit.script or "";
    }) config.systemd.${kind};
in
if what == "options" then
  map (o: {
    inherit (o) name;
    type = o.type.description or o.type or "";
    description = o.description.text or o.description or "";
    hasDefault = o ? default || o ? defaultText;
    hasExample = o ? example;
    readOnly = o.readOnly or false;
  }) (lib.optionAttrSetToDocList own)
else if what == "assertions" then
  { inherit failed; }
else
  {
    hook = config.boot.loader.systemd-boot.extraInstallCommands;
    installHook =
      if config.boot.loader.external.enable then config.boot.loader.external.installHook else "";
    inherit failed;
    inherit (config) warnings;
    settings = config.environment.etc."xen-boot-builder.conf".source or "";
    services = units "services" "serviceConfig";
    paths = units "paths" "pathConfig";
    timers = units "timers" "timerConfig";
    targets = builtins.attrNames config.systemd.targets;
    installed = map (p: p.name) config.environment.systemPackages;
  }
