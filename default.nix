# For those without flakes: the package and the module.
#
#   imports = [ (import ./xen-boot-builder { }).module ];
{
  pkgs ? import <nixpkgs> { },
}:

rec {
  xen-boot-builder = pkgs.callPackage ./nix/package.nix { };
  package = xen-boot-builder;
  module = ./nix/module.nix;
  tests = import ./nix/tests { inherit pkgs; };
}
