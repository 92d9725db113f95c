# Packages of nixpkgs, by name: derivations that are evaluated and never built.
{
  system,
  lib ? import ./lib.nix,
}:
let

  # The attributes of the environment must be what a build can have.
  mkDerivation =
    attributes:
    let
      plain = removeAttrs attributes [
        "env"
        "meta"
        "passthru"
      ];
      drv = derivation (
        (attributes.env or { })
        // plain
        // {
          inherit system;
          name = attributes.name or "${attributes.pname}-${attributes.version}";
          builder = "/bin/sh";
        }
      );
    in
    drv
    // (attributes.passthru or { })
    // {
      inherit (attributes) version;
      meta = attributes.meta or { };
    };

  named =
    name: version: attributes:
    mkDerivation ({ inherit name version; } // attributes);

  platform = {
    inherit system;
    canExecute = other: other.system == system;
    isAarch64 = system == "aarch64-linux";
  };

  setFor =
    targetPrefix:
    let
      self =
        lib.genAttrs [
          "curl"
          "git"
          "iproute2"
          "nixfmt-tree"
          "openssl"
          "perl"
          "radvd"
          "tcpdump"
          "xz"
        ] (name: named name "1" { })
        // rec {
          inherit lib system;
          callPackage = lib.callPackageWith self;
          stdenv = {
            inherit mkDerivation system;
            hostPlatform = platform;
            buildPlatform = platform;
            cc = named "cc" "1" { } // {
              inherit targetPrefix;
            };
          };
          stdenvNoCC = removeAttrs stdenv [ "cc" ];
          buildPackages = setFor "";
          pkgsCross =
            let
              crossTo =
                target: prefix: if target == system then setFor "" else setFor prefix;
            in
            {
              gnu64 = crossTo "x86_64-linux" "x86_64-unknown-linux-gnu-";
              aarch64-multiplatform = crossTo "aarch64-linux" "aarch64-unknown-linux-gnu-";
            };
          deno = named "deno" "2.6.8" { passthru.denort = named "denort" "2.6.8" { }; };
          ipxe = named "ipxe" "1.21.1" { src = named "ipxe-source" "1.21.1" { }; };
          linkFarm =
            name: entries:
            named name "1" {
              links = map (entry: "${entry.name}=${entry.path}") entries;
            };
          mkShellNoCC =
            { packages }:
            named "shell" "1" { nativeBuildInputs = packages; };
          testers.runNixOSTest =
            test:
            let
              machines = builtins.mapAttrs (
                _: node:
                import ./nixos.nix {
                  inherit lib;
                  pkgs = self;
                  modules = [ node ];
                }
              ) test.nodes;
              wrong = builtins.concatMap (
                machine: builtins.filter (one: !one.assertion) machine.assertions
              ) (builtins.attrValues machines);
            in
            assert lib.assertMsg (wrong == [ ]) (builtins.toJSON wrong);
            named "vm-test-${test.name}" "1" {
              inherit (test) testScript;
              machines = builtins.toJSON (
                builtins.mapAttrs (_: machine: {
                  inherit (machine) networking systemd virtualisation;
                }) machines
              );
            };
        };
    in
    self;
in
setFor ""
