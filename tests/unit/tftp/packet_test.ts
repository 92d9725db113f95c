import { assert, assertEquals } from "@std/assert";
import { toNetascii } from "../../../lib/tftp/netascii.ts";
import {
  decodeError,
  decodeRequest,
  encodeError,
  encodeOptionAcknowledgment,
  encodeRequest,
} from "../../../lib/tftp/packet.ts";
import { parseRequestPath } from "../../../lib/tftp/request_path.ts";
import { formatMac } from "../../../lib/net/mac.ts";
import { fc } from "../../support/fast_check.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("TFTP packets", async (t) => {
  await t.step("requests, as firmware sends them", () => {
    const packet = bytes(
      "\0\x01m/ipxe.efi\0octet\0tsize\x000\0BLKSIZE\x001228\0windowsize\x004\0",
    );
    const request = decodeRequest(packet)!;
    assertEquals(request.fileName, "m/ipxe.efi");
    assertEquals(request.mode, "octet");
    assertEquals([...request.options], [
      ["tsize", "0"],
      ["blksize", "1228"],
      ["windowsize", "4"],
    ]);
  });

  await t.step("names are UTF-8, or else single bytes", () => {
    const nameIn = (...name: number[]) =>
      decodeRequest(Uint8Array.of(0, 1, ...name, ...bytes("\0octet\0")))!
        .fileName;
    for (const name of ["größe.efi", "内核", "a\u0301", "💾", "\ufeffa"]) {
      assertEquals(nameIn(...bytes(name)), name);
    }
    assertEquals(nameIn(0xfc, 0x2e, 0x65), "ü.e");
    assertEquals(nameIn(0xed, 0xa0, 0x80), "í\u00a0\u20ac");
    assertEquals(nameIn(0x2e, 0xc0, 0xaf), ".À¯", "no slash in two bytes");
  });

  await t.step("malformed requests", () => {
    for (
      const text of [
        "",
        "\0",
        "\0\x01",
        "\0\x01f",
        "\0\x01f\0octet",
        "\0\x01f\0mail\0",
        "\0\x01f\0octet\0blksize\0",
        "\0\x03f\0octet\0",
        "\x01\x01f\0octet\0",
      ]
    ) assertEquals(decodeRequest(bytes(text)), undefined, JSON.stringify(text));
  });

  await t.step("any bytes are decoded or refused", () => {
    const text = fc.string({ unit: fc.constantFrom(..."\0\x01aoctetOCTET/") });
    fc.assert(
      fc.property(text, (text) => {
        const packet = bytes(`\0\x01${text}`);
        const request = decodeRequest(packet);
        if (request === undefined) return;
        assertEquals(decodeRequest(encodeRequest(request)), request);
      }),
      { numRuns: 20_000 },
    );
  });

  await t.step("OACK and ERROR", () => {
    assertEquals(
      encodeOptionAcknowledgment(new Map([["tsize", "7"], ["blksize", "8"]])),
      bytes("\0\x06tsize\x007\0blksize\x008\0"),
    );
    const error = encodeError(1, "no such file");
    assertEquals(error, bytes("\0\x05\0\x01no such file\0"));
    assertEquals(decodeError(error), { code: 1, message: "no such file" });
    assertEquals(decodeError(bytes("\0\x05\0")), { code: 0, message: "" });
  });

  await t.step("a file is converted to netascii once", () => {
    const file = new TextEncoder().encode("a\nb");
    assert(toNetascii(file) === toNetascii(file));
  });

  await t.step("netascii", () => {
    assertEquals(
      toNetascii(bytes("a\nb\rc\r\n")),
      bytes("a\r\nb\r\0c\r\0\r\n"),
    );
    const plain = bytes("abc");
    assertEquals(toNetascii(plain), plain);
  });
});

Deno.test("TFTP paths", async (t) => {
  for (
    const [path, expected] of [
      ["02:00:5e:00:53:01/ipxe.efi", "02:00:5e:00:53:01 ipxe.efi"],
      ["//02-00-5E-00-53-01/autoexec.ipxe", "02:00:5e:00:53:01 autoexec.ipxe"],
      ["02005e005301", "02:00:5e:00:53:01 "],
      ["02:00:5e:00:53:01grubx64.efi", "02:00:5e:00:53:01 grubx64.efi"],
      ["/02:00:5E:00:53:01mm/x.efi", "02:00:5e:00:53:01 mm/x.efi"],
      ["02:00:5e:00:53:01.cfg", undefined],
      ["02:00:5e:00:53:01f/x", "02:00:5e:00:53:01 f/x"],
      ["02-00-5e-00-53-01grubx64.efi", undefined],
      ["02005e005301grubx64.efi", undefined],
      ["02005e005301/../../etc/passwd", "02:00:5e:00:53:01 ../../etc/passwd"],
      ["ipxe.efi", undefined],
      ["", undefined],
      ["/", undefined],
      ["../02:00:5e:00:53:01/ipxe.efi", undefined],
      ["02:00:5e:00:53/ipxe.efi", undefined],
      ["02:00:5e:00:53:01\\ipxe.efi", undefined],
      ["\n02:00:5e:00:53:01/ipxe.efi", undefined],
    ] as const
  ) {
    await t.step(JSON.stringify(path), () => {
      const file = parseRequestPath(path);
      assertEquals(file && `${formatMac(file.mac)} ${file.name}`, expected);
    });
  }
});
