# A stand-in for nixpkgs, just large enough to evaluate this project's flake
# where nixpkgs cannot be had. Nothing of it is ever built.
{
  outputs =
    { self }:
    let
      lib = import ./lib.nix;
    in
    {
      lib = lib // {
        nixosSystem =
          {
            modules,
            system ? "x86_64-linux",
          }:
          {
            config = import ./nixos.nix {
              inherit lib modules;
              pkgs = self.legacyPackages.${system};
            };
          };
      };
      legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (
        system: import ./packages.nix { inherit system; }
      );
    };
}
