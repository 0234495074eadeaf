# xen-boot-builder with its manual page and completions: pkgs.callPackage ./package.nix { }
{
  lib,
  stdenv,
  buildGoModule,
  installShellFiles,
}:

buildGoModule {
  pname = "xen-boot-builder";
  version = "0-unstable";

  # Only what the Go build reads, so that a change of anything else does not rebuild it.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../go.mod
      ../go.sum
      ../bootbuilder
      ../bootspec
      ../cmd
      ../docs
      ../esp
      ../fixtures
    ];
  };

  # This is not a real hash: it has to be found out once on a machine with Nix, and again after
  # each change of go.sum. Build, and take the hash that the error calls "got".
  vendorHash = lib.fakeHash;

  # go.mod says which version of Go is needed; an older buildGoModule refuses by itself.
  subPackages = [ "cmd/xen-boot-builder" ];

  ldflags = [
    "-s"
    "-X main.version=0-unstable"
  ];

  nativeBuildInputs = [ installShellFiles ];

  # The completions are made by the program itself, which a cross build can't run.
  postInstall = ''
    installManPage docs/xen-boot-builder.8
  '' + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    installShellCompletion --cmd xen-boot-builder \
      --bash <($out/bin/xen-boot-builder help bash) \
      --zsh <($out/bin/xen-boot-builder help zsh) \
      --fish <($out/bin/xen-boot-builder help fish)
  '';

  meta = {
    description = "Xen boot entries for NixOS generations";
    homepage = "https://github.com/xen-boot-builder/xen-boot-builder";
    license = lib.licenses.mit;
    platforms = lib.platforms.linux;
    mainProgram = "xen-boot-builder";
  };
}
