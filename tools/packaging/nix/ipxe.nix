# iPXE for the daemon to hand out: nixpkgs' sources, with IPv6 and HTTPS, and
# with our script inside. tools/ipxe.ts builds the same from a checkout.
{
  lib,
  linkFarm,
  pkgsCross,
  stdenv,
  # PEM: these certificates are trusted as roots, and no others. Without it,
  # iPXE's own root is.
  certBundle ? null,
  # With the firmware's network driver only, a quarter of the size.
  snponly ? false,
}:

let
  program = if snponly then "snponly" else "ipxe";
  build =
    {
      lib,
      stdenv,
      buildPackages,
      ipxe,
      openssl,
      perl,
      xz,
      # What make calls the architecture.
      make,
    }:
    stdenv.mkDerivation {
      pname = "dhcpv6macd-ipxe-${make}";
      inherit (ipxe) version src;
      patches = ipxe.patches or [ ];

      strictDeps = true;
      depsBuildBuild = [ buildPackages.stdenv.cc ];
      nativeBuildInputs = [
        openssl
        perl
        xz
      ];

      # Firmware has nothing for either to call.
      hardeningDisable = [
        "pic"
        "stackprotector"
      ];

      enableParallelBuilding = true;
      makeFlags = [
        "CONFIG=dhcpv6macd"
        "CROSS=${stdenv.cc.targetPrefix}"
        "EMBED=${../../../assets/ipxe/autoexec.ipxe}"
        # the sandbox has no /bin/echo
        "ECHO_E_BIN_ECHO=echo"
        "ECHO_E_BIN_ECHO_E=echo"
      ];
      buildFlags = [ "bin-${make}-efi/${program}.efi" ];

      preBuild = ''
        cd src
        mkdir -p config/local/dhcpv6macd
        for option in NET_PROTO_IPV6 DOWNLOAD_PROTO_HTTPS; do
          echo "#define $option"
        done > config/local/dhcpv6macd/general.h
      ''
      # TRUST looks at the first certificate of each file only.
      + lib.optionalString (certBundle != null) ''
        awk '/BEGIN CERTIFICATE/ { root = "root-" ++count ".pem" } root { print > root }' ${certBundle}
        roots=$(echo root-*.pem | tr ' ' ,)
        if [ ! -e "''${roots%%,*}" ]; then
          echo "there is no certificate in PEM in ${certBundle}" >&2
          exit 1
        fi
        makeFlagsArray+=("CERT=$roots" "TRUST=$roots")
      '';

      installPhase = ''
        runHook preInstall
        install -D --mode 0444 bin-${make}-efi/${program}.efi "$out/ipxe.efi"
        runHook postInstall
      '';

      # It is no program of this system.
      dontFixup = true;

      meta = {
        description = "iPXE with dhcpv6macd's script inside";
        homepage = "https://ipxe.org/";
        license = lib.licenses.gpl2Only;
        platforms = lib.platforms.linux;
      };
    };

  # Where one of them is the machine's own architecture, that is no cross build.
  builds = {
    x86-64 = pkgsCross.gnu64.callPackage build { make = "x86_64"; };
    arm64 = pkgsCross.aarch64-multiplatform.callPackage build { make = "arm64"; };
  };
in
linkFarm "dhcpv6macd-ipxe" (
  lib.mapAttrsToList (name: ipxe: {
    name = "ipxe-${name}.efi";
    path = "${ipxe}/ipxe.efi";
  }) builds
  # The name that nixpkgs' iPXE has for the machine's own architecture.
  ++ [
    {
      name = "ipxe.efi";
      path = "${if stdenv.hostPlatform.isAarch64 then builds.arm64 else builds.x86-64}/ipxe.efi";
    }
  ]
)
// {
  inherit builds;
}
