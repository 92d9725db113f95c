{
  inputs.dhcpv6macd.url = "git+file:///home/me/dhcpv6macd"; # your clone
  outputs = { nixpkgs, dhcpv6macd, ... }: {
    nixosConfigurations.router = nixpkgs.lib.nixosSystem {
      modules = [ ./configuration.nix dhcpv6macd.nixosModules.default ];
    };
  };
}
