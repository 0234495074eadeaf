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
in
{
  inherit (flake) description;
  flakePackages = names outputs.packages.x86_64-linux;
  flakeModules = names outputs.nixosModules;
  flakeChecks = names outputs.checks.x86_64-linux;
  flakeChecksAarch64 = names outputs.checks.aarch64-linux;
  overlay = names (outputs.overlays.default pkgs pkgs);
  default = names (import ../../default.nix { inherit pkgs; });
  tests = names (import ../tests { inherit pkgs; });
}
