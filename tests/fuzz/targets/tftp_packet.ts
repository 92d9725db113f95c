/** TFTP requests, and what is agreed on. */

import { escapeControls } from "../../../assets/shared/escape_controls.js";
import {
  decodeError,
  decodeRequest,
  encodeError,
  encodeOptionAcknowledgment,
  encodeRequest,
  opcodeOf,
} from "../../../lib/tftp/packet.ts";
import { parseRequestPath } from "../../../lib/tftp/request_path.ts";
import {
  MAX_WINDOW_BLOCKS,
  MAX_WINDOW_BYTES,
  negotiate,
} from "../../../lib/tftp/transfer.ts";
import { spliced } from "../mutate.ts";
import type { Random } from "../random.ts";
import { Invariant, type Target } from "../target.ts";
import { anyText, isShowable, texts } from "./text.ts";

const isRequest = new Invariant("a request is one that the RFC knows");
const codec = new Invariant("a request in ASCII is written as it was read");
const agrees = new Invariant("only what was asked for is agreed, in bounds");
const hasPath = new Invariant("a path is a MAC and the rest");
const hasError = new Invariant("an error's sentence can be shown");

const WORDS = texts(
  "\0\x01",
  "\0\x02",
  "\0\x05\0\x08",
  "\0",
  "02:00:5e:00:53:01/ipxe.efi\0octet\0",
  "/02-00-5E-00-53-01/autoexec.ipxe\0NetASCII\0",
  "blksize\x001428\0",
  "BLKSIZE\x0065535\0",
  "tsize\x000\0",
  "timeout\x00255\0",
  "windowsize\x0064\0",
  "multicast\0\0",
  "blksize\x00999999\0",
  "windowsize\x00-1\0",
  "timeout\x000x1\0",
  "\0mail\0",
  "..",
  "//",
);

const REQUEST = "\0\x0102:00:5e:00:53:01/ipxe.efi\0octet\0";

/** Fuzzes TFTP packets at the port where requests come. */
export class TftpPacketTarget implements Target {
  readonly name = "tftp_packet";
  readonly weight = 60;
  readonly maxLength = 512;
  readonly invariants = [isRequest, codec, agrees, hasPath, hasError];
  readonly seeds = texts(
    REQUEST,
    `${REQUEST}tsize\x000\0blksize\x001468\0windowsize\x004\0timeout\x003\0`,
    "\0\x02a\0netascii\0",
    "\0\x05\0\x08too late\0",
    "\0\x04\0\x01",
    "\0\x03\0\x01abc",
    "\0\x06tsize\x005\0",
  );
  readonly words = WORDS;

  make(random: Random): Uint8Array {
    return random.once(2)
      ? random.octets(random.below(40))
      : spliced(anyText(random, WORDS), 0, 0, Uint8Array.of(0, 1));
  }

  run(input: Uint8Array): string {
    const opcode = opcodeOf(input);
    const { code, message } = decodeError(input);
    hasError.holds(
      code >= 0 && code <= 0xffff && isShowable(escapeControls(message)),
      () => message,
    );
    hasError.holds(
      message.includes("\0") || !message.isWellFormed() ||
        decodeError(encodeError(code & 255, message)).message ===
          message.replace(/^\ufeff/, ""),
      () => message,
    );
    const request = decodeRequest(input);
    if (request === undefined) return `none ${Math.min(opcode ?? 9, 8)}`;
    isRequest.holds(
      (opcode === 1 || opcode === 2) && request.opcode === opcode &&
        input.at(-1) === 0 && ["octet", "netascii"].includes(request.mode) &&
        !request.fileName.includes("\0"),
      () => request,
    );
    if (input.every((octet) => octet < 128)) {
      const again = decodeRequest(encodeRequest(request));
      codec.holds(
        again !== undefined && again.fileName === request.fileName &&
          again.mode === request.mode &&
          String([...again.options]) === String([...request.options]),
        () => ({ request, again }),
      );
    }
    const { blockSize, windowSize, timeout, acknowledged } = negotiate(
      request,
      1234,
    );
    agrees.holds(
      blockSize >= 8 && blockSize <= 65464 && windowSize >= 1 &&
        windowSize <= MAX_WINDOW_BLOCKS &&
        (windowSize === 1 ||
          windowSize * blockSize <= MAX_WINDOW_BYTES) &&
        (timeout === undefined || timeout >= 1000 && timeout <= 255_000),
      () => ({ blockSize, windowSize, timeout }),
    );
    for (const [name, value] of acknowledged) {
      const asked = request.options.get(name);
      agrees.holds(
        asked !== undefined && /^[0-9]+$/.test(value) &&
          (name === "tsize" || Number(value) <= Number(asked)),
        () => ({ name, asked, value }),
      );
    }
    if (acknowledged.size > 0) {
      agrees.holds(
        encodeOptionAcknowledgment(acknowledged).length <= input.length + 40,
      );
    }
    const file = parseRequestPath(request.fileName);
    hasPath.holds(
      file === undefined || request.fileName.endsWith(file.name) &&
          !file.name.startsWith("/"),
      () => file,
    );
    return `${opcode} ${request.mode} ${[...acknowledged.keys()].sort()} ${
      request.options.size > acknowledged.size
    } ${file !== undefined} ${blockSize >> 10} ${windowSize}`;
  }
}
