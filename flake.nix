{
  description = "Xen boot entries for NixOS generations";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      forAllSystems =
        outputs:
        lib.genAttrs [
          "x86_64-linux"
          "aarch64-linux"
        ] (system: outputs nixpkgs.legacyPackages.${system});
    in
    {
      packages = forAllSystems (pkgs: rec {
        xen-boot-builder = pkgs.callPackage ./nix/package.nix { };
        default = xen-boot-builder;
      });

      overlays.default = final: _prev: {
        xen-boot-builder = final.callPackage ./nix/package.nix { };
      };

      nixosModules = rec {
        xen-boot-builder = ./nix/module.nix;
        default = xen-boot-builder;
      };

      # The package builds, its tests pass, and a virtual machine starts Xen. nix/tests/README.md says
      # how to run one of them alone, and those that need Lanzaboote.
      checks = forAllSystems (
        pkgs:
        {
          package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isx86_64 (import ./nix/tests { inherit pkgs; })
      );

      formatter = forAllSystems (pkgs: pkgs.nixfmt-tree);
    };
}
