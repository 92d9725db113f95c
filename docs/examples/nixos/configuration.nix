# A router with dhcpv6macd on eth1, and its provider on eth0: address, forwarding,
# router advertisements, boot files.
{
  networking.useNetworkd = true;
  boot.kernel.sysctl = {
    "net.ipv6.conf.all.forwarding" = 1;
    # The interface to the provider: a router ignores router advertisements otherwise.
    "net.ipv6.conf.eth0.accept_ra" = 2;
  };

  systemd.network.networks."50-lab" = {
    matchConfig.Name = "eth1";
    networkConfig = {
      Address = "2001:db8:123:4567::1/64";
      IPv6SendRA = true;
    };
    ipv6SendRAConfig = {
      Managed = true;
      OtherInformation = true;
    };
    ipv6Prefixes = [
      {
        Prefix = "2001:db8:123:4567::/64";
        OnLink = true;
        AddressAutoconfiguration = false;
      }
    ];
  };

  services.dhcpv6macd = {
    enable = true;
    interface = "eth1";
    baseAddress = "2001:db8:123:4567::";
    openFirewall = true;
    netbootDirectory = "/srv/netboot";
    httpBootUrlTemplate = "http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/boot.efi";
  };
  systemd.tmpfiles.rules = [ "d /srv/netboot/default 0755 root root" ];
}
