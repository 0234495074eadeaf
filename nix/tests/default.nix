# Virtual machine tests, one for each file: nix/tests/README.md says how to run them.
{
  pkgs ? import <nixpkgs> { },
  # Lanzaboote's NixOS module, for the tests that need it.
  lanzaboote ? null,
}:

let
  inherit (pkgs) lib;

  run =
    test:
    pkgs.testers.runNixOSTest {
      imports = [ test ];
      # Without KVM a dom0 takes minutes to start.
      globalTimeout = 60 * 60;
    };
in
lib.mapAttrs (_: run) {
  base = ./base.nix;
  limit = ./limit.nix;
  rollback = ./rollback.nix;
  script = ./script.nix;
  specialisation = ./specialisation.nix;
  try = ./try.nix;
  xbootldr = ./xbootldr.nix;
  xen-off = ./xen-off.nix;
}
// lib.optionalAttrs (lanzaboote != null) {
  lanzaboote = run (import ./lanzaboote.nix { inherit lanzaboote; });
}
