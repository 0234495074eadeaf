# Evaluates ../package.nix with a buildGoModule that returns its attributes, for nix_test.go.
let
  build =
    canExecute:
    import ../package.nix {
      lib = import ./lib.nix // {
        fileset = {
          unions = map toString;
          toSource = { root, fileset }: { inherit root fileset; };
        };
        licenses.mit = "MIT";
        platforms.linux = [ ];
      };
      stdenv = {
        buildPlatform.canExecute = _: canExecute;
        hostPlatform = { };
      };
      buildGoModule =
        f:
        let
          final = f final;
        in
        final;
      installShellFiles = "installShellFiles";
      versionCheckHook = "versionCheckHook";
    };
  package = build true;
in
{
  inherit (package)
    pname
    version
    vendorHash
    ldflags
    versionCheckProgramArg
    ;
  inherit (package.src) fileset;
  meta = {
    inherit (package.meta)
      description
      homepage
      changelog
      mainProgram
      ;
  };
  completions = package.postInstall;
  crossBuilt = (build false).postInstall;
}
