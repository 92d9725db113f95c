/**
 * The bare loop for TFTP: a socket for each client, and the next block for each
 * that it confirms, as far as a network that loses nothing needs it. How far the
 * runtime itself gets.
 *
 * Usage: `bare_tftp.ts ADDRESS FILE`
 *
 * @module
 */

import {
  DATA_HEADER_SIZE,
  decodeRequest,
  encodeOptionAcknowledgment,
  Opcode,
} from "../../lib/tftp/packet.ts";
import { negotiate } from "../../lib/tftp/transfer.ts";

const [hostname, path] = [Deno.args[0]!, Deno.args[1]!];
const content = await Deno.readFile(path);

async function transfer(request: Uint8Array, client: Deno.Addr): Promise<void> {
  const { blockSize, windowSize, acknowledged } = negotiate(
    decodeRequest(request)!,
    content.length,
  );
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  const last = Math.floor(content.length / blockSize) + 1;
  const packet = new Uint8Array(DATA_HEADER_SIZE + blockSize);
  packet[1] = Opcode.Data;
  const buffer = new Uint8Array(64);
  await socket.send(encodeOptionAcknowledgment(acknowledged), client);
  let confirmed = 0;
  while (confirmed < last) {
    const [answer] = await socket.receive(buffer);
    confirmed += (answer[2]! << 8 | answer[3]!) - confirmed & 0xffff;
    const end = Math.min(confirmed + windowSize, last);
    for (let block = confirmed + 1; block <= end; block++) {
      const at = (block - 1) * blockSize;
      const data = content.subarray(at, at + blockSize);
      packet[2] = block >>> 8;
      packet[3] = block;
      packet.set(data, DATA_HEADER_SIZE);
      await socket.send(
        packet.subarray(0, DATA_HEADER_SIZE + data.length),
        client,
      );
    }
  }
  socket.close();
}

const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 69 });
console.log("serving");
while (true) {
  const [request, client] = await socket.receive();
  void transfer(request, client);
}
