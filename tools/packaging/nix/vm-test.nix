# Two machines on a cable: a router that serves, behind NixOS' own firewall, and
# a client that has nothing but systemd-networkd.
{ module }:

let
  prefix = "2001:db8:123:4567";
  # A name of its own for the cable, and no addresses from the test driver.
  cable = {
    vlans = [ ];
    interfaces.lan = {
      vlan = 1;
      assignIP = false;
    };
  };
in
{
  name = "dhcpv6macd";

  nodes.router =
    { pkgs, ... }:
    {
      imports = [ module ];
      virtualisation = cable;
      networking.useNetworkd = true;
      networking.useDHCP = false;

      services.dhcpv6macd = {
        enable = true;
        interface = "lan";
        baseAddress = "${prefix}::";
        httpBootUrlTemplate = "http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/boot.efi";
        netbootDirectory = "/srv/netboot";
        openFirewall = true;
      };
      systemd.tmpfiles.rules = [
        "d /srv/netboot/default 0755 root root"
        "f /srv/netboot/default/boot.efi 0644 root root - no-kernel-at-all"
      ];

      systemd.network.networks."10-lan" = {
        matchConfig.Name = "lan";
        networkConfig = {
          Address = "${prefix}::1/64";
          IPv6SendRA = true;
        };
        ipv6SendRAConfig = {
          Managed = true;
          OtherInformation = true;
        };
        ipv6Prefixes = [
          {
            Prefix = "${prefix}::/64";
            OnLink = true;
            AddressAutoconfiguration = false;
          }
        ];
      };
    };

  nodes.client =
    { pkgs, ... }:
    {
      virtualisation = cable;
      networking.useNetworkd = true;
      networking.useDHCP = false;
      environment.systemPackages = [ pkgs.curl ];
      systemd.network.networks."10-lan" = {
        matchConfig.Name = "lan";
        networkConfig = {
          DHCP = "ipv6";
          IPv6AcceptRA = true;
        };
      };
    };

  testScript = ''
    import ipaddress
    import json

    BASE = "${prefix}::"
    SERVER = "[${prefix}::1]"

    start_all()
    router.wait_for_unit("dhcpv6macd.service")
    client.wait_for_unit("systemd-networkd.service")

    mac = client.succeed("cat /sys/class/net/lan/address").strip()
    expected = ipaddress.IPv6Address(
        int(ipaddress.IPv6Address(BASE)) | int(mac.replace(":", ""), 16)
    )


    def addresses():
        out = client.succeed("ip -json -6 address show dev lan scope global")
        return [
            ipaddress.IPv6Address(info["local"])
            for link in json.loads(out)
            for info in link.get("addr_info", [])
            if not info.get("tentative")
        ]


    with subtest("the client has base + MAC, and nothing else"):
        retry(lambda _: addresses() == [expected])

    with subtest("the client's events are there for others to see"):
        # the stream never ends by itself
        _, stream = client.execute(
            f"curl --silent --no-buffer --max-time 5 http://{SERVER}:6315/events"
        )
        first = stream.splitlines()[0]
        state = json.loads(first.removeprefix("data: "))
        assert state[mac]["Mac"] == mac, first
        assert state[mac]["Events"][0]["event"] == "init", first

    with subtest("TFTP and HTTP pass the firewall"):
        client.succeed(f"curl --fail --silent --max-time 60 -o ipxe.efi tftp://{SERVER}/{mac}/ipxe.efi")
        client.succeed("test $(stat -c %s ipxe.efi) -gt 100000")
        body = client.succeed(f"curl --fail --silent http://{SERVER}:6315/mac/{mac}/boot.efi")
        assert body == "no-kernel-at-all", body

    with subtest("the unit is as closed as it was meant to be"):
        router.succeed("systemd-analyze security --threshold=20 --no-pager dhcpv6macd.service")

    with subtest("a restarted daemon gives the same address"):
        router.systemctl("restart dhcpv6macd.service")
        router.wait_for_unit("dhcpv6macd.service")
        client.succeed("networkctl reconfigure lan")
        retry(lambda _: addresses() == [expected])
  '';
}
