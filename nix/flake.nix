{
  # Used as github:xen-boot-builder/xen-boot-builder?dir=nix
  description = "Xen boot entries for NixOS generations";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
    in
    {
      packages = nixpkgs.lib.genAttrs systems (system: {
        default = nixpkgs.legacyPackages.${system}.callPackage ./package.nix { };
      });

      nixosModules.default = ./module.nix;
    };
}
