/**
 * A program that sends DHCPv6 messages one after another, and shows the reply to
 * each. Runs inside a namespace.
 *
 * Usage: `exchange.ts FROM FROM_PORT TO TO_PORT XID:HEX...` writes one line for
 * each message: the bytes of its reply in hexadecimal, or `nothing`. It sends a
 * message again each second, 5 times in all; one without a reply is written
 * `XID:HEX:` and sent once. A reply is one that contains the transaction ID, 6
 * digits.
 *
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";

const [from, fromPort, to, toPort, ...messages] = Deno.args as [
  string,
  string,
  string,
  string,
  ...string[],
];

const ATTEMPTS = 5;
const TIMEOUT = 1000;
const SILENCE = 300;

const socket = Deno.listenDatagram({
  transport: "udp",
  hostname: from,
  port: Number(fromPort),
});
const address: Deno.NetAddr = {
  transport: "udp",
  hostname: to,
  port: Number(toPort),
};

let onReply = (_digits: string) => {};
void (async () => {
  for await (const [bytes] of socket) onReply(encodeHex(bytes));
})();

for (const message of messages) {
  const [xid, digits, silent] = message.split(":") as [string, string, string?];
  const attempts = silent === undefined ? ATTEMPTS : 1;
  const milliseconds = silent === undefined ? TIMEOUT : SILENCE;
  const { promise, resolve } = Promise.withResolvers<string>();
  onReply = (reply) => {
    if (reply.includes(xid)) resolve(reply);
  };
  let reply: string | undefined;
  for (let sent = 0; sent < attempts && reply === undefined; sent++) {
    await socket.send(decodeHex(digits), address);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), milliseconds);
    });
    reply = await Promise.race([promise, timeout]);
    clearTimeout(timer);
  }
  console.log(reply ?? "nothing");
}
Deno.exit(0);
