# xen-boot-builder with its manual page, completions and JSON schema: pkgs.callPackage ./package.nix { }
#
# For pkgs/by-name only `src` changes, to fetchFromGitHub with `tag = "v${finalAttrs.version}"`.
{
  lib,
  stdenv,
  buildGoModule,
  installShellFiles,
  versionCheckHook,
}:

buildGoModule (finalAttrs: {
  pname = "xen-boot-builder";
  # The one place that says the version. CHANGELOG.md has to agree, which a test checks.
  version = "0.1.0";

  # Only what the Go build and its tests read, so that a change of anything else does not rebuild it.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../go.mod
      ../go.sum
      ../CHANGELOG.md
      ../LICENSE
      ../README.md
      ../bootbuilder
      ../bootspec
      ../cmd
      ../docs
      ../esp
      ../fixtures
      ../internal
    ];
  };

  # .ci/vendor-hash tells whether it is right, and prints the right one.
  vendorHash = "sha256-D9QXRn4T9HxjDGCDD6ussWGAtwRpfsu0TLY+AkWr3NU=";

  # go.mod says which version of Go is needed; an older buildGoModule refuses by itself.
  subPackages = [ "cmd/xen-boot-builder" ];

  ldflags = [
    "-s"
    "-X main.version=${finalAttrs.version}"
  ];

  nativeBuildInputs = [ installShellFiles ];

  # The tests of all packages, not only of what is installed. Those that want QEMU, root or a tool
  # that is not here skip.
  preCheck = ''
    unset subPackages
  '';
  checkFlags = [ "-short" ];

  # The completions are made by the program itself, which a cross build can't run.
  postInstall = ''
    sed "s/^\.Os$/.Os xen-boot-builder ${finalAttrs.version}/" docs/xen-boot-builder.8 > xen-boot-builder.8
    installManPage xen-boot-builder.8
    install -Dm444 docs/report.schema.json -t $out/share/xen-boot-builder
  ''
  + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    installShellCompletion --cmd xen-boot-builder \
      --bash <($out/bin/xen-boot-builder help bash) \
      --zsh <($out/bin/xen-boot-builder help zsh) \
      --fish <($out/bin/xen-boot-builder help fish)
  '';

  doInstallCheck = true;
  nativeInstallCheckInputs = [ versionCheckHook ];
  versionCheckProgramArg = "version";

  meta = {
    description = "Xen boot entries for NixOS generations";
    homepage = "https://github.com/xen-boot-builder/xen-boot-builder";
    changelog = "https://github.com/xen-boot-builder/xen-boot-builder/blob/v${finalAttrs.version}/CHANGELOG.md";
    license = lib.licenses.mit;
    maintainers = [ ];
    platforms = lib.platforms.linux;
    mainProgram = "xen-boot-builder";
  };
})
