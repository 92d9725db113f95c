{
  description = "Every machine gets the IPv6 address that its MAC says, and boots over IPv6";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      forAllSystems =
        outputsOf:
        nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (
          system: outputsOf nixpkgs.legacyPackages.${system}
        );
      revision = self.rev or null;
    in
    {
      packages = forAllSystems (pkgs: rec {
        default = dhcpv6macd;
        dhcpv6macd = pkgs.callPackage ./tools/packaging/nix/package.nix { inherit ipxe revision; };
        ipxe = pkgs.callPackage ./tools/packaging/nix/ipxe.nix { };
        iPXE = ipxe;
      });

      # iPXE that trusts the certificates of a file in PEM, and no others, or has the
      # firmware's network driver only: ipxe.efi for the architecture of `system`,
      # ipxe-x86-64.efi and ipxe-arm64.efi.
      lib.mkiPXE =
        {
          system,
          certBundle ? null,
          snponly ? false,
        }:
        self.packages.${system}.ipxe.override { inherit certBundle snponly; };

      overlays.default = final: _: {
        dhcpv6macd = final.callPackage ./tools/packaging/nix/package.nix {
          ipxe = final.callPackage ./tools/packaging/nix/ipxe.nix { };
          inherit revision;
        };
      };

      # The package is this flake's: the system's own nixpkgs may have a Deno that
      # is too old.
      nixosModules.default =
        { lib, pkgs, ... }:
        {
          imports = [ ./tools/packaging/nix/module.nix ];
          services.dhcpv6macd.package =
            lib.mkDefault
              self.packages.${pkgs.stdenv.hostPlatform.system}.dhcpv6macd;
        };
      nixosModules.dhcpv6macd = self.nixosModules.default;

      devShells = forAllSystems (pkgs: {
        default = pkgs.mkShellNoCC {
          packages = [
            pkgs.deno
            pkgs.iproute2
            pkgs.tcpdump
          ];
        };
      });

      formatter = forAllSystems (pkgs: pkgs.nixfmt-tree);

      checks = forAllSystems (pkgs: {
        package = self.packages.${pkgs.stdenv.hostPlatform.system}.dhcpv6macd;
        vm = pkgs.testers.runNixOSTest (
          import ./tools/packaging/nix/vm-test.nix { module = self.nixosModules.default; }
        );
      });
    };
}
