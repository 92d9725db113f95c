/**
 * The bare loop that the daemon is measured against: on the same kind of socket
 * as its own, every datagram is sent back unchanged. One buffer, for it waits for
 * each send.
 *
 * Usage: `echo.ts LINK [PORT FILE]`; with these, next to the bare server for HTTP
 *
 * @module
 */

import {
  ALL_RELAYS_AND_SERVERS,
  MAX_DHCPV6_PACKET,
  SERVER_PORT,
} from "../../lib/dhcpv6/wire/constants.ts";
import { InterfaceMonitor } from "../../lib/net/interface_monitor.ts";
import { serveFile } from "./bare_http.ts";

const [link, port, path] = Deno.args;
if (port !== undefined) await serveFile(Number(port), path!);

const iface = new InterfaceMonitor(link!).find()!;
const socket = Deno.listenDatagram({
  transport: "udp",
  hostname: `${ALL_RELAYS_AND_SERVERS}%${iface.name}`,
  port: SERVER_PORT,
});
await socket.joinMulticastV6(ALL_RELAYS_AND_SERVERS, iface.index);
const buffer = new Uint8Array(MAX_DHCPV6_PACKET);
console.log("serving");
while (true) {
  const [datagram, sender] = await socket.receive(buffer);
  await socket.send(datagram, sender);
}
