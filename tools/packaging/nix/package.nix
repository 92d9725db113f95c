# The daemon as one program, compiled from this tree. Nothing is downloaded, so
# there is no hash to maintain: lib/std replaces the packages of jsr.io.
{
  lib,
  stdenvNoCC,
  deno,
  # What goes into every compiled program. Newer nixpkgs have it as an output of
  # deno, older ones as a package of its own.
  denort ? null,
  # A directory of ipxe-ARCHITECTURE.efi, as ./ipxe.nix makes it.
  ipxe,
  # Of the tree, where that is known.
  revision ? null,
}:

assert lib.assertMsg (lib.versionAtLeast deno.version "2.6.8") ''
  dhcpv6macd needs Deno 2.6.8 or newer (2.6.8 to 2.9 are known to work), but these nixpkgs have ${deno.version}: take newer ones, or the package of dhcpv6macd's own flake
'';

let
  manifest = lib.importJSON ../../../deno.json;
  runtime = deno.denort or denort;
  commit = builtins.substring 0 12 revision;
in
stdenvNoCC.mkDerivation {
  pname = "dhcpv6macd";
  version =
    manifest.version
    + lib.optionalString (revision != null) "-${commit}";

  src = lib.fileset.toSource {
    root = ../../..;
    fileset = lib.fileset.unions [
      ../../../main.ts
      ../../../deno.json
      # not the file that a task may have left: the build writes its own
      (lib.fileset.fileFilter (file: file.name != "commit.generated.json") ../../../lib)
      ../..
      # not the builds of iPXE that a work tree may hold: they come from `ipxe`
      (lib.fileset.fileFilter (file: !file.hasExt "gz") ../../../assets)
    ];
  };

  nativeBuildInputs = [ deno ];

  env = {
    DENORT_BIN = lib.getExe' runtime "denort";
    DENO_NO_UPDATE_CHECK = "1";
    IPXE_BUILDS = "${ipxe}";
  };

  # The same build as anywhere else. The import map leaves nothing to download;
  # what would be, would fail in the sandbox.
  buildPhase = ''
    runHook preBuild
    export HOME=$TMPDIR DENO_DIR=$TMPDIR/deno
    tool() {
      deno run --quiet --no-check --no-config --allow-all \
        --import-map lib/std/import_map.json "$@"
    }
    tool tools/ipxe.ts --from "$IPXE_BUILDS"
    tool tools/build.ts ${lib.optionalString (revision != null) "--commit=${commit}"}
    runHook postBuild
  '';

  installPhase = ''
    runHook preInstall
    install -D --mode 0555 dist/dhcpv6macd "$out/bin/dhcpv6macd"
    runHook postInstall
  '';

  # The program is denort with the code behind the end of its ELF image, where
  # no tool expects anything: strip cuts that off, and patchelf moves what stands
  # before it. Neither is needed, for nixpkgs' denort has been through both: its
  # interpreter and its libraries are already those of the store.
  dontFixup = true;

  doInstallCheck = stdenvNoCC.buildPlatform.canExecute stdenvNoCC.hostPlatform;
  installCheckPhase = ''
    runHook preInstallCheck
    "$out/bin/dhcpv6macd" --version | grep --fixed-strings ${lib.escapeShellArg manifest.version}
    runHook postInstallCheck
  '';

  # For package.override { ipxe = package.ipxe.override { ... }; }
  passthru = { inherit ipxe; };

  meta = {
    description = "DHCPv6 and IPv6 netboot server that gives every machine the address that its MAC says";
    license = lib.licenses.gpl3Plus;
    mainProgram = "dhcpv6macd";
    platforms = [
      "x86_64-linux"
      "aarch64-linux"
    ];
  };
}
