import { assertEquals } from "@std/assert";
import { architectureName } from "../../../../lib/dhcpv6/reply/architectures.ts";
import {
  type BootDecision,
  type BootFacts,
  bootFactsOf,
  decideBoot,
} from "../../../../lib/dhcpv6/reply/boot_decision.ts";
import { bootAddressesOf } from "../../../../lib/dhcpv6/reply/boot_address.ts";
import type { AddressState } from "../../../../lib/net/address_states.ts";
import {
  IPXE_BUILDS,
  type IpxeBuild,
  ipxeFileName,
} from "../../../../lib/boot_files/ipxe_builds.ts";
import { Packet } from "../../../../lib/dhcpv6/wire/packet.ts";
import { parseIpv6 } from "../../../../lib/net/ipv6.ts";
import { ascii, message, numbers, opt, oro } from "../../../support/dhcpv6.ts";

const ALL = new Set<IpxeBuild>(IPXE_BUILDS);

const vendor = (...texts: string[]) =>
  opt(
    16,
    "00000157" +
      texts.map((text) => numbers(2, text.length) + ascii(text)).join(""),
  );
const user = (...texts: string[]) =>
  opt(15, texts.map((text) => numbers(2, text.length) + ascii(text)).join(""));
const arch = (...list: number[]) => opt(61, numbers(2, ...list));

function factsOf(...options: ReturnType<typeof opt>[]): BootFacts {
  const packet = new Packet();
  assertEquals(packet.read(message(1, ...options)), undefined);
  return bootFactsOf(packet);
}

function textOf({ instruction, event, note }: BootDecision): string {
  const what = instruction.kind === "ipxe"
    ? ipxeFileName(instruction.build)
    : instruction.kind === "template"
    ? instruction.httpClient ? "16 and URL" : "URL"
    : "none";
  return [what, event ?? "no event", ...(note ? [note] : [])].join(", ");
}

const ROWS: [string, ReturnType<typeof opt>[], string][] = [
  ["iPXE, whose vendor class is PXEClient as well", [
    vendor("PXEClient:Arch:00007"),
    user("iPXE"),
    arch(7),
  ], "URL, point_ipxe_to_http_boot"],
  ["iPXE of an architecture without a build", [
    vendor("PXEClient"),
    user("iPXE"),
    arch(6),
  ], "URL, point_ipxe_to_http_boot"],
  [
    "iPXE among other user classes",
    [vendor("PXEClient"), user("lab", "iPXE")],
    "URL, point_ipxe_to_http_boot",
  ],
  ["a user class that begins with iPXE", [
    vendor("PXEClient"),
    user("iPXE2"),
    arch(7),
  ], "URL, point_ipxe_to_http_boot"],
  ["such a user class in another option and place", [
    vendor("PXEClient"),
    user("lab"),
    user("", "iPXE/1.21.1+ (g83449)"),
    arch(11),
  ], "URL, point_ipxe_to_http_boot"],
  ["a user class that only contains iPXE", [
    vendor("PXEClient"),
    user("my iPXE", "ipxe", "iPX", "E"),
    arch(7),
  ], "ipxe.efi, point_pxe_to_ipxe_over_tftp"],
  ["the user class iPXE alone", [user("iPXE")], "none, os_init"],
  ["iPXE that writes its user class without a length", [
    vendor("PXEClient"),
    opt(15, ascii("iPXE")),
    arch(7),
  ], "URL, point_ipxe_to_http_boot"],
  ["iPXE that writes the lengths of user classes in little endian", [
    vendor("PXEClient"),
    opt(15, "0300" + ascii("lab") + "0400" + ascii("iPXE")),
    arch(7),
  ], "URL, point_ipxe_to_http_boot"],
  ["iPXE with a byte behind its user class", [
    vendor("PXEClient"),
    opt(15, "0004" + ascii("iPXE") + "00"),
    arch(7),
  ], "URL, point_ipxe_to_http_boot"],
  ["a user class without a length, of another program", [
    vendor("PXEClient"),
    opt(15, ascii("linuxboot")),
    arch(7),
  ], "ipxe.efi, point_pxe_to_ipxe_over_tftp"],
  ["PXE, vendor class without a length", [
    opt(16, "00000157" + ascii("PXEClient:Arch:00007")),
    arch(7),
  ], "ipxe.efi, point_pxe_to_ipxe_over_tftp"],
  ["PXE, vendor class with a length in little endian", [
    opt(16, "00000157 1400" + ascii("PXEClient:Arch:00007")),
    arch(7),
  ], "ipxe.efi, point_pxe_to_ipxe_over_tftp"],
  ["HTTP boot, vendor class with a length that is too high", [
    opt(16, "00000157 0020" + ascii("HTTPClient")),
    arch(16),
  ], "16 and URL, http_boot"],
  ["PXE, half an architecture behind the first", [
    vendor("PXEClient"),
    opt(61, "000b00"),
  ], "ipxe-arm64.efi, point_pxe_to_ipxe_over_tftp"],
  ["a vendor class of a router, length in little endian", [
    opt(16, "000000ab 0800 4449522d38363700"),
  ], "none, os_init"],
  ["a vendor class of 1 byte behind the enterprise number", [
    opt(16, "00000157 00"),
  ], "none, os_init"],
  [
    "HTTP boot, x86-64",
    [vendor("HTTPClient:Arch:00016:UNDI:003000"), arch(16)],
    "16 and URL, http_boot",
  ],
  [
    "HTTP boot, arm64",
    [vendor("HTTPClient:Arch:00019"), arch(19)],
    "16 and URL, http_boot",
  ],
  [
    "HTTP boot in the second string",
    [vendor("x", "HTTPClient"), arch(16)],
    "none, firmware_init",
  ],
  [
    "PXE, x86-64 as 7",
    [vendor("PXEClient:Arch:00007"), arch(7)],
    "ipxe.efi, point_pxe_to_ipxe_over_tftp",
  ],
  [
    "PXE, x86-64 as 9",
    [vendor("PXEClient"), arch(9)],
    "ipxe.efi, point_pxe_to_ipxe_over_tftp",
  ],
  [
    "PXE without architecture",
    [vendor("PXEClient")],
    "ipxe.efi, point_pxe_to_ipxe_over_tftp",
  ],
  [
    "PXE, arm64",
    [vendor("PXEClient"), arch(11)],
    "ipxe-arm64.efi, point_pxe_to_ipxe_over_tftp",
  ],
  [
    "PXE, riscv64",
    [vendor("PXEClient"), arch(27)],
    "ipxe-riscv64.efi, point_pxe_to_ipxe_over_tftp",
  ],
  [
    "PXE, loong64",
    [vendor("PXEClient"), arch(39)],
    "ipxe-loong64.efi, point_pxe_to_ipxe_over_tftp",
  ],
  ["PXE, the first architecture that has a build", [
    vendor("PXEClient"),
    arch(6, 11, 7),
  ], "ipxe-arm64.efi, point_pxe_to_ipxe_over_tftp"],
  [
    "PXE, IA32",
    [vendor("PXEClient"), arch(6)],
    "none, firmware_init, unsupported_architecture",
  ],
  [
    "PXE, arm32",
    [vendor("PXEClient"), arch(10)],
    "none, firmware_init, unsupported_architecture",
  ],
  [
    "PXE of a BIOS",
    [vendor("PXEClient"), arch(0)],
    "none, firmware_init, unsupported_architecture",
  ],
  ["other firmware", [arch(7)], "none, firmware_init"],
  [
    "other firmware with its own vendor class",
    [vendor("U-Boot"), arch(22)],
    "none, firmware_init",
  ],
  ["an operating system", [oro(23, 24)], "none, os_init"],
  ["an operating system that requests no option", [], "none, os_init"],
  [
    "an operating system with a vendor class",
    [vendor("MSFT 5.0"), oro(23)],
    "none, no event",
  ],
  ["firmware that requests DNS servers only", [oro(23)], "none, no event"],
  [
    "an empty vendor class",
    [opt(16, "00000157"), oro(23, 24)],
    "none, os_init",
  ],
];

Deno.test("boot decision", async (t) => {
  for (const [name, options, expected] of ROWS) {
    await t.step(name, () => {
      assertEquals(
        textOf(decideBoot(factsOf(...options), true, ALL)),
        expected,
      );
    });
  }

  await t.step("without permission to boot, firmware gets no URL", () => {
    for (const [name, options, expected] of ROWS) {
      const decision = textOf(decideBoot(factsOf(...options), false, ALL));
      assertEquals(
        decision,
        /PXEClient|HTTPClient/.test(String(factsOf(...options).vendor))
          ? "none, firmware_init"
          : expected,
        name,
      );
    }
  });

  await t.step("without the build, firmware gets no URL", () => {
    for (
      const [options, has] of [
        [[vendor("PXEClient"), arch(11)], "x86-64"],
        [[vendor("PXEClient"), arch(7)], "arm64"],
        [[vendor("PXEClient")], "arm64"],
      ] as const
    ) {
      assertEquals(
        textOf(decideBoot(factsOf(...options), true, new Set([has]))),
        "none, firmware_init, unsupported_architecture",
      );
    }
  });

  await t.step("without TFTP, PXE firmware gets no URL", () => {
    assertEquals(
      textOf(
        decideBoot(factsOf(vendor("PXEClient"), arch(7)), true, undefined),
      ),
      "none, firmware_init",
    );
    assertEquals(
      textOf(
        decideBoot(factsOf(vendor("HTTPClient"), arch(16)), true, undefined),
      ),
      "16 and URL, http_boot",
    );
  });

  await t.step("reads eight architectures at most", () => {
    const many = [...Array(20).keys()];
    assertEquals(factsOf(arch(...many)).architectures, many.slice(0, 8));
  });
});

Deno.test("architecture", async (t) => {
  await t.step("has a name", () => {
    assertEquals(architectureName(7), "EFI x86-64");
    assertEquals(architectureName(16), "EFI x86-64 boot from HTTP");
    assertEquals(architectureName(36), "EFI Sunway 64-bit");
    assertEquals(architectureName(37), "unknown");
    assertEquals(architectureName(65535), "unknown");
  });
});

Deno.test("boot address", async (t) => {
  const subnet = {
    text: "2001:db8:1:2::",
    bytes: parseIpv6("2001:db8:1:2::")!,
  };
  for (
    const [name, addresses, tftp, http, isBase] of [
      [
        "the base address alone",
        ["2001:db8:1:2::"],
        "2001:db8:1:2::",
        "2001:db8:1:2::",
        true,
      ],
      [
        "the base address and another",
        ["2001:db8:1:2::", "2001:db8:1:2::1"],
        "2001:db8:1:2::",
        "2001:db8:1:2::1",
        true,
      ],
      [
        "others only",
        ["2001:db8:9::1", "2001:db8:1:2::5", "2001:db8:1:2::6"],
        "2001:db8:1:2::5",
        "2001:db8:1:2::5",
        false,
      ],
      [
        "one that looks temporary, and one that a person wrote",
        ["2001:db8:1:2:a1b2:c3d4:e5f6:789a", "2001:db8:1:2::5"],
        "2001:db8:1:2::5",
        "2001:db8:1:2::5",
        false,
      ],
      [
        "one that looks temporary, EUI-64 and another one",
        [
          "2001:db8:1:2:a1b2:c3d4:e5f6:789a",
          "2001:db8:1:2:0:ff:fe00:1",
          "2001:db8:1:2:0:ff:fe00:2",
        ],
        "2001:db8:1:2:0:ff:fe00:1",
        "2001:db8:1:2:0:ff:fe00:1",
        false,
      ],
      ["none yet", [], "2001:db8:1:2::", "2001:db8:1:2::", false],
    ] as [string, string[], string, string, boolean][]
  ) {
    await t.step(name, () => {
      const states = addresses.map(() => "permanent" as const);
      assertEquals(bootAddressesOf(subnet, { addresses, states }), {
        tftp,
        http,
        isBase,
      });
    });
  }

  await t.step("is the one that lasts longest", () => {
    const chosen = (own: Record<string, AddressState>) => {
      const addresses = Object.keys(own).map((id) =>
        `2001:db8:1:2:${id.includes(":") ? "" : ":"}${id}`
      );
      const states = Object.values(own);
      const { tftp, http } = bootAddressesOf(subnet, { addresses, states });
      return [tftp, http].map((text) => text.replace(/^2001:db8:1:2::?/, ""));
    };
    const random = "a1b2:c3d4:e5f6:789a";
    for (
      const state of [
        "temporary",
        "deprecated",
        "expiring",
        "unusable",
      ] as const
    ) {
      assertEquals(chosen({ "": "permanent", "5": state }), ["", ""]);
      assertEquals(chosen({ "": state, "5": "permanent" }), ["5", "5"]);
      assertEquals(chosen({ "5": state, "6": "dynamic" }), ["6", "6"]);
      assertEquals(chosen({ "5": state, [random]: "dynamic" }), [
        random,
        random,
      ]);
      assertEquals(chosen({ "": state, "5": state }), ["", "5"]);
    }
    assertEquals(chosen({ "": "dynamic", "5": "permanent" }), ["", "5"]);
    assertEquals(chosen({ "5": "dynamic", "6": "permanent" }), ["6", "6"]);
    assertEquals(chosen({ "5": "unusable", "6": "expiring" }), ["6", "6"]);
    assertEquals(chosen({ "5": "expiring", "6": "deprecated" }), ["6", "6"]);
    assertEquals(chosen({ "5": "deprecated", "6": "temporary" }), ["6", "6"]);
  });
});
