/**
 * Real DHCPv6 clients, each configured to request one address on one interface
 * and to change nothing else on the machine.
 *
 * @module
 */

import type { Host, Program } from "./lab.ts";

/** A DHCPv6 client program. */
export interface DhcpClient {
  readonly name: string;
  /** Whether its DUID holds a MAC. */
  readonly duidHasMac: boolean;
  /** Starts it, with its lease files in the directory `memory`. */
  start(host: Host, interfaceName: string, memory: string): Promise<Program>;
}

/** Hook script of dhclient and udhcpc6 that adds and removes addresses. */
const SCRIPT = `#!/bin/sh
new="\${new_ip6_address:-\${ipv6%%/*}}"
old="\${old_ip6_address}"
case "\${reason:-$1}" in
  EXPIRE6|STOP6|RELEASE6) ip -6 addr del "$old/128" dev "$interface" ;;
  *) [ -z "$old" ] || [ "$old" = "$new" ] ||
       ip -6 addr del "$old/128" dev "$interface"
     [ -z "$new" ] || ip -6 addr replace "$new/128" dev "$interface" ;;
esac
exit 0
`;

/** The path of that script. */
async function script(host: Host): Promise<string> {
  return await host.lab.file("set-address", SCRIPT, 0o755);
}

/** ISC's, of Debian's isc-dhcp-client. */
export const dhclient: DhcpClient = {
  name: "dhclient",
  duidHasMac: true,
  async start(host, interfaceName, memory) {
    return host.start([
      "dhclient",
      "-6",
      "-d",
      "-v",
      "-sf",
      await script(host),
      "-cf",
      "/dev/null",
      "-lf",
      `${memory}/leases`,
      "-pf",
      `${memory}/pid`,
      interfaceName,
    ]);
  },
};

export const dhcpcd: DhcpClient = {
  name: "dhcpcd",
  duidHasMac: true,
  async start(host, interfaceName, memory) {
    const config = await host.lab.file(
      `${host.namespace}-dhcpcd.conf`,
      "ipv6only\nnoipv6rs\nduid ll\nia_na 1\nslaac hwaddr\nnohook resolv.conf\nnohook hostname\nnohook timesyncd\n",
    );
    return host.start(
      [
        "sh",
        "-c",
        `mount --bind ${memory} /var/lib/dhcpcd && exec dhcpcd -6 -B -d -f ${config} ${interfaceName}`,
      ],
      ["/var/lib/dhcpcd", "/run/dhcpcd"],
    );
  },
};

/** Without systemd: its files are read once, and there is no bus. */
export const networkd: DhcpClient = {
  name: "systemd-networkd",
  duidHasMac: false,
  start(host, interfaceName) {
    const config = `[Match]
Name=${interfaceName}
[Network]
DHCP=ipv6
IPv6AcceptRA=no
LinkLocalAddressing=ipv6
KeepConfiguration=no
[DHCPv6]
WithoutRA=solicit
`;
    return Promise.resolve(host.start(
      [
        "sh",
        "-c",
        `mount -o remount,ro /sys 2>/dev/null || mount --bind -o ro /sys /sys
cat > /run/systemd/network/10-lab.network <<'END'
${config}END
SYSTEMD_LOG_LEVEL=debug exec /lib/systemd/systemd-networkd`,
      ],
      ["/run/systemd", "/run/systemd/network", "/run/systemd/netif"],
    ));
  },
};

/** Busybox's, unpacked into the lab's directory. */
export const udhcpc6: DhcpClient = {
  name: "udhcpc6",
  duidHasMac: true,
  async start(host, interfaceName) {
    return host.start([
      `${host.lab.directory}/busybox/usr/bin/busybox`,
      "udhcpc6",
      "-f",
      "-v",
      "-i",
      interfaceName,
      "-s",
      await script(host),
    ]);
  },
};

export const dibbler: DhcpClient = {
  name: "dibbler-client",
  duidHasMac: true,
  start(host, interfaceName, memory) {
    const config = `log-level 8
duid-type duid-ll
iface ${interfaceName} {
  ia
}
`;
    return Promise.resolve(host.start(
      [
        "sh",
        "-c",
        `mount --bind ${memory} /var/lib/dibbler && cat > /etc/dibbler/client.conf <<'END' && exec dibbler-client run
${config}END`,
      ],
      ["/etc/dibbler", "/var/lib/dibbler", "/var/log/dibbler"],
    ));
  },
};

export const wide: DhcpClient = {
  name: "wide-dhcpv6's dhcp6c",
  duidHasMac: true,
  async start(host, interfaceName, memory) {
    const config = await host.lab.file(
      `${host.namespace}-dhcp6c.conf`,
      `interface ${interfaceName} { send ia-na 0; };\nid-assoc na 0 { };\n`,
    );
    return host.start(
      [
        "sh",
        "-c",
        `mount --bind ${memory} /var/lib/dhcpv6 && exec dhcp6c -f -D -c ${config} -p ${memory}/pid ${interfaceName}`,
      ],
      ["/var/lib/dhcpv6"],
    );
  },
};
