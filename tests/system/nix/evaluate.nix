# What the module makes of the configurations, for nix_test.ts to look at.
{
  directory,
  # nixpkgs' own lib, instead of what stands in for it here.
  nixpkgsLib ? ./nixpkgs/lib.nix,
}:
let
  lib = import nixpkgsLib;
  pkgs = import ./nixpkgs/packages.nix {
    inherit lib;
    system = "x86_64-linux";
  };
  configurations = import ./configurations.nix { inherit directory; };

  configOf =
    configuration:
    import ./nixpkgs/nixos.nix {
      inherit lib pkgs;
      modules = [
        ../../../tools/packaging/nix/module.nix
        configuration
      ];
    };

  show =
    configuration:
    let
      config = configOf configuration;
      service = config.systemd.services.dhcpv6macd or null;
    in
    {
      inherit (config) warnings;
      failed = map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions);
      firewall = config.networking.firewall.interfaces;
      # evaluated as a whole, whatever is asked of it
      unit = if service == null then null else service // { serviceConfig = service.serviceConfig; };
    };

  # A package, as far as its phases go.
  phases = package: {
    inherit (package)
      name
      version
      buildPhase
      installPhase
      installCheckPhase
      meta
      ;
    src = "${package.src}";
    dontFixup = package.dontFixup;
    ipxe = "${package.IPXE_BUILDS}";
    denort = package.DENORT_BIN;
  };
  ipxe = pkgs.callPackage ../../../tools/packaging/nix/ipxe.nix { };
  rooted = ipxe.override { certBundle = "${directory}/bundle.pem"; };
in
{
  sound = builtins.mapAttrs (_: show) configurations.sound;
  contradictory = builtins.mapAttrs (_: show) configurations.contradictory;
  refused = builtins.mapAttrs (_: show) configurations.refused;

  options = builtins.attrNames (
    (lib.evalModules {
      modules = [
        { imports = [ ../../../tools/packaging/nix/module.nix ]; }
        {
          options = lib.genAttrs [ "assertions" "warnings" "networking" "systemd" ] (
            _: lib.mkOption { type = lib.types.unspecified; }
          );
        }
      ];
      specialArgs = {
        inherit pkgs;
        utils = { };
      };
    }).options.services.dhcpv6macd
  );

  # What a configuration reads that was written for the predecessor.
  original = builtins.removeAttrs (configOf configurations.sound.original).services.detsys.dhcpv6macd [
    "package"
  ];

  package = phases (pkgs.callPackage ../../../tools/packaging/nix/package.nix { inherit ipxe; });
  ipxe = {
    plain = ipxe.links;
    rooted = rooted.links;
  };
  ipxePhases = { inherit (rooted.builds.x86-64) preBuild; };
}
