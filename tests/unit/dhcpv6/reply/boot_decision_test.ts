import { assertEquals } from "@std/assert";
import { architectureName } from "../../../../lib/dhcpv6/reply/architectures.ts";
import {
  type BootChoices,
  type BootDecision,
  type BootFacts,
  bootFactsOf,
  decideBoot,
  describeLoader,
} from "../../../../lib/dhcpv6/reply/boot_decision.ts";
import { bootAddressesOf } from "../../../../lib/dhcpv6/reply/boot_address.ts";
import type { AddressState } from "../../../../lib/net/address_states.ts";
import {
  IPXE_BUILDS,
  type IpxeBuild,
  ipxeFileName,
  shimFileName,
} from "../../../../lib/boot_files/ipxe_builds.ts";
import { Packet } from "../../../../lib/dhcpv6/wire/packet.ts";
import { parseIpv6 } from "../../../../lib/net/ipv6.ts";
import { ascii, message, numbers, opt, oro } from "../../../support/dhcpv6.ts";

/** A template whose text stands for the URL. */
const templateOf = (text: string) => ({ text, parts: [] });

/** All instructions that there are without `--boot-url`. */
const ALL: BootChoices = {
  template: templateOf("URL"),
  urls: new Map(),
  builds: new Set<IpxeBuild>(IPXE_BUILDS),
  hasFiles: true,
  shims: new Set(),
  script: undefined,
};

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
    : instruction.kind === "shim"
    ? shimFileName(instruction.build)
    : instruction.kind === "url"
    ? `${instruction.httpClient ? "16 and " : ""}${instruction.template.text}`
    : instruction.kind === "tftp_root"
    ? "TFTP"
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
    "a Raspberry Pi",
    [oro(59, 60), arch(41)],
    "TFTP, point_loader_to_boot_file",
  ],
  [
    "U-Boot",
    [vendor("U-Boot"), oro(59, 82, 60), arch(22)],
    "none, firmware_init, no_boot_url",
  ],
  [
    "U-Boot without an architecture",
    [vendor("U-Boot"), oro(59, 82, 60)],
    "none, firmware_init, no_boot_url",
  ],
  ["GRUB", [oro(59, 23)], "none, firmware_init, no_boot_url"],
  [
    "a boot loader without a name",
    [oro(23, 59, 60)],
    "none, firmware_init, no_boot_url",
  ],
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
        textOf(decideBoot(factsOf(...options), ALL)),
        expected,
      );
    });
  }

  await t.step("without permission to boot, firmware gets no URL", () => {
    for (const [name, options, expected] of ROWS) {
      const decision = textOf(decideBoot(factsOf(...options), undefined));
      assertEquals(
        decision,
        /URL|TFTP|\.efi|no_boot_url|unsupported/.test(expected)
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
        textOf(
          decideBoot(factsOf(...options), { ...ALL, builds: new Set([has]) }),
        ),
        "none, firmware_init, unsupported_architecture",
      );
    }
  });

  await t.step("PXE firmware gets the shim of its processor first", () => {
    const withShims: BootChoices = {
      ...ALL,
      builds: new Set<IpxeBuild>(["x86-64", "riscv64"]),
      shims: new Set(["x86-64", "arm64"]),
    };
    const pxe = "point_pxe_to_ipxe_over_tftp";
    for (
      const [options, expected] of [
        [[vendor("PXEClient"), arch(7)], `ipxe-shimx64.efi, ${pxe}`],
        [[vendor("PXEClient"), arch(9)], `ipxe-shimx64.efi, ${pxe}`],
        [[vendor("PXEClient")], `ipxe-shimx64.efi, ${pxe}`],
        // It may load another program than iPXE.
        [[vendor("PXEClient"), arch(11)], `ipxe-arm64-shimaa64.efi, ${pxe}`],
        [[vendor("PXEClient"), arch(27)], `ipxe-riscv64.efi, ${pxe}`],
        [
          [vendor("PXEClient"), user("iPXE"), arch(7)],
          [
            "URL",
            "point_ipxe_to_http_boot",
          ].join(", "),
        ],
        [[vendor("HTTPClient"), arch(16)], "16 and URL, http_boot"],
      ] as const
    ) {
      assertEquals(
        textOf(decideBoot(factsOf(...options), withShims)),
        expected,
      );
    }
    assertEquals(
      textOf(
        decideBoot(factsOf(vendor("PXEClient"), arch(7)), {
          ...withShims,
          builds: undefined,
        }),
      ),
      "none, firmware_init",
      "without TFTP",
    );
  });

  await t.step("without TFTP, PXE firmware gets no URL", () => {
    const without = { ...ALL, builds: undefined };
    assertEquals(
      textOf(
        decideBoot(factsOf(vendor("PXEClient"), arch(7)), without),
      ),
      "none, firmware_init",
    );
    assertEquals(
      textOf(
        decideBoot(factsOf(vendor("HTTPClient"), arch(16)), without),
      ),
      "16 and URL, http_boot",
    );
  });

  const PI = [oro(59, 60), arch(41)];
  const U_BOOT = [vendor("U-Boot"), oro(59, 82, 60), arch(22)];
  const GRUB = [oro(59, 23)];
  const OTHER = [oro(59, 60, 23), vendor("barebox"), arch(22)];
  const PXE = [vendor("PXEClient:Arch:00011"), arch(11)];
  const HTTP_BOOT = [vendor("HTTPClient"), arch(19, 16)];
  const IPXE = [vendor("PXEClient"), user("iPXE"), arch(11)];
  const loader = "point_loader_to_boot_file";
  for (
    const [name, options, urls, expected] of [
      ["a Raspberry Pi", PI, ["raspberry-pi"], `raspberry-pi, ${loader}`],
      ["U-Boot", U_BOOT, ["u-boot"], `u-boot, ${loader}`],
      [
        "U-Boot of one architecture",
        U_BOOT,
        ["u-boot", "u-boot-arm64", "u-boot-x86-64"],
        `u-boot-arm64, ${loader}`,
      ],
      [
        "U-Boot of another architecture",
        U_BOOT,
        ["u-boot-riscv64"],
        "none, firmware_init, no_boot_url",
      ],
      ["GRUB", GRUB, ["grub", "loader"], `grub, ${loader}`],
      ["another loader", OTHER, ["loader"], `loader, ${loader}`],
      [
        "a loader, for GRUB",
        OTHER,
        ["grub"],
        "none, firmware_init, no_boot_url",
      ],
      ["PXE", PXE, ["pxe"], `pxe, ${loader}`],
      ["PXE of one architecture", PXE, ["pxe-arm64"], `pxe-arm64, ${loader}`],
      [
        "PXE of another architecture",
        PXE,
        ["pxe-x86-64"],
        "ipxe-arm64.efi, point_pxe_to_ipxe_over_tftp",
      ],
      ["HTTP boot", HTTP_BOOT, ["http"], "16 and http, http_boot"],
      [
        "HTTP boot of the architecture that is preferred",
        HTTP_BOOT,
        ["http-x86-64", "http-arm64"],
        "16 and http-arm64, http_boot",
      ],
      ["iPXE", IPXE, ["ipxe"], "ipxe, point_ipxe_to_http_boot"],
      ["nothing of it", IPXE, ["pxe", "http"], "URL, point_ipxe_to_http_boot"],
    ] as const
  ) {
    await t.step(`--boot-url of ${urls.join(", ")}: ${name}`, () => {
      const map = new Map(urls.map((kind) => [kind, templateOf(kind)]));
      assertEquals(
        textOf(decideBoot(factsOf(...options), { ...ALL, urls: map })),
        expected,
      );
      const alone = { ...ALL, template: undefined, urls: map };
      assertEquals(
        textOf(decideBoot(factsOf(...options), alone)),
        /URL|\.efi/.test(expected) ? "none, firmware_init" : expected,
        "without --http-boot-url-template",
      );
    });
  }

  await t.step("a Raspberry Pi is sent to TFTP if there are files", () => {
    const textFor = (choices: BootChoices) =>
      textOf(decideBoot(factsOf(...PI), choices));
    assertEquals(textFor(ALL), `TFTP, ${loader}`);
    for (const lack of [{ hasFiles: false }, { builds: undefined }]) {
      assertEquals(
        textFor({ ...ALL, ...lack }),
        "none, firmware_init, no_boot_url",
      );
    }
  });

  await t.step("a loader is described by what it says of itself", () => {
    const describe = (...options: ReturnType<typeof opt>[]) => {
      const packet = new Packet();
      assertEquals(packet.read(message(1, ...options)), undefined);
      const facts = bootFactsOf(packet);
      const { loader } = decideBoot(facts, { ...ALL, hasFiles: false });
      return describeLoader(packet, loader!, facts);
    };
    assertEquals(
      describe(...U_BOOT),
      "u-boot, architecture 22 (U-Boot ARM64), vendor class U-Boot",
    );
    assertEquals(
      describe(...PI),
      "raspberry-pi, architecture 41 (ARM RPiBoot), no vendor class",
    );
    assertEquals(describe(...GRUB), "grub, no architecture, no vendor class");
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
    assertEquals(
      architectureName(40),
      "EFI LoongArch 64-bit boot from HTTP",
    );
    assertEquals(architectureName(41), "ARM RPiBoot");
    assertEquals(architectureName(42), "unknown");
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
      [
        "the lowest of those that a person wrote, in whatever order",
        ["2001:db8:1:2::5", "2001:db8:1:2::a:1", "2001:db8:1:2::1"],
        "2001:db8:1:2::1",
        "2001:db8:1:2::1",
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

Deno.test("iPXE gets the script of the daemon, if there is one", () => {
  const facts = factsOf(vendor("PXEClient"), user("iPXE"), arch(7));
  const urls = new Map([["ipxe", templateOf("OWN")]]);
  for (
    const script of [{ protocol: "tftp" }, {
      protocol: "http",
      port: 80,
    }] as const
  ) {
    const { instruction, event } = decideBoot(facts, { ...ALL, script });
    assertEquals(instruction, { kind: "script", location: script });
    assertEquals(event, "point_ipxe_to_http_boot");
    // What the operator has said of iPXE has precedence, and nothing else changes.
    const own = decideBoot(facts, { ...ALL, script, urls });
    assertEquals(textOf(own), "OWN, point_ipxe_to_http_boot");
    const none = decideBoot(facts, { ...ALL, script, template: undefined });
    assertEquals(textOf(none), "none, firmware_init");
    for (const [name, options, expected] of ROWS) {
      if (expected.includes("point_ipxe_to_http_boot")) continue;
      const decided = decideBoot(factsOf(...options), { ...ALL, script });
      assertEquals(
        textOf(decided).split(", ")[0],
        expected.split(", ")[0],
        name,
      );
    }
  }
});
