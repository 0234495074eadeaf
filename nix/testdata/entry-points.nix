# Evaluates flake.nix, default.nix and ../tests with stand-ins for nixpkgs, for nix_test.go.
let
  lib = import ./lib.nix;

  pkgsFor = system: {
    inherit lib;
    stdenv.hostPlatform = {
      inherit system;
      isx86_64 = system == "x86_64-linux";
    };
    callPackage = path: _: { inherit path; };
    testers.runNixOSTest = test: { inherit test; };
    nixfmt-tree = "nixfmt-tree";
  };
  pkgs = pkgsFor "x86_64-linux";

  flake = import ../../flake.nix;
  outputs = flake.outputs {
    self = outputs;
    nixpkgs = {
      inherit lib;
      legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] pkgsFor;
    };
  };
  names = builtins.attrNames;

  # A machine's system, and whatever is asked of it.
  nodes = lib.genAttrs [ "machine" "second" "third" "off" "ours" "broken" "xbootldr" ] (name: {
    system.build.toplevel = "/nix/store/0000-${name}";
  });
  tests = import ../tests {
    inherit pkgs;
    lanzaboote = { };
  };
  script =
    test:
    let
      inherit (import' (builtins.head test.test.imports)) testScript;
    in
    if builtins.isFunction testScript then testScript { inherit nodes; } else testScript;
  import' = module: if builtins.isPath module then import module else module;
in
{
  inherit (flake) description;
  flakePackages = names outputs.packages.x86_64-linux;
  flakeModules = names outputs.nixosModules;
  flakeChecks = names outputs.checks.x86_64-linux;
  flakeChecksAarch64 = names outputs.checks.aarch64-linux;
  overlay = names (outputs.overlays.default pkgs pkgs);
  default = names (import ../../default.nix { inherit pkgs; });
  tests = names tests;
  scripts = lib.mapAttrs (_: script) tests;
}
