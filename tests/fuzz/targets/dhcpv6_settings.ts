/** The configurations of the fuzzed responders. */

import { parseCommandLine } from "../../../lib/cli/options.ts";
import { configOf } from "../../../lib/cli/config.ts";
import type {
  BootOptions,
  ResponderOptions,
} from "../../../lib/dhcpv6/reply/responder.ts";
import { IPXE_BUILDS } from "../../../lib/boot_files/ipxe_builds.ts";
import { presentFiles } from "../../support/option_files.ts";

/** The configuration of a command line, with the boot options in `boot`. */
function settings(
  args: readonly string[],
  boot: Partial<BootOptions> = {},
): ResponderOptions {
  const { responder: answers, template, bootUrls } = configOf(
    parseCommandLine([
      "--interface=eth1",
      "--base-address=2001:db8:1:2::",
      "--base-address=2001:db8:7:8:9::",
      ...args,
    ]).options,
    presentFiles,
  );
  return {
    ...answers,
    boot: template && {
      template,
      urls: bootUrls,
      hasFiles: true,
      shims: new Set(),
      script: undefined,
      tftpAddress: "2001:db8:1:2::",
      bootAddress: "2001:db8:1:2::1",
      builds: new Set(IPXE_BUILDS),
      isBootAllowed: () => true,
      ...boot,
    },
  };
}

const TEMPLATE =
  "--http-boot-url-template=http://[{{.BootAddress}}]/{{.MAC}}?{{.Payload | urlquery}}&{{.BaseAddress}}";

const SERVER_OPTIONS = [
  "--dns=2001:db8::53",
  "--dns=2001:db8::54",
  "--domain-search=lab.example",
  "--ntp=2001:db8::123",
  "--ntp=ff05::101",
  "--ntp=time.example",
];

/** Nearly as long as fits. */
const MUCH = [
  `--http-boot-url-template=http://boot.example/{{.MAC}}/{{.Payload}}/${
    "x".repeat(270)
  }`,
  "--preferred-lifetime=4294967295",
  ...SERVER_OPTIONS,
];

/** All configurations; the input selects one. */
export const SETTINGS: readonly ResponderOptions[] = [
  settings([]),
  settings([TEMPLATE, ...SERVER_OPTIONS], { script: { protocol: "tftp" } }),
  settings([TEMPLATE, "--preference=0"], {
    builds: undefined,
    script: { protocol: "http", port: 6315 },
  }),
  // As with --boot-policy=listed.
  settings([TEMPLATE], { isBootAllowed: (mac) => mac % 2 === 0 }),
  settings(MUCH, { builds: new Set(["arm64"]) }),
  settings([
    "--allow-mac=52:54:*",
    "--deny-mac=52:54:00:12:34:57",
    ...SERVER_OPTIONS,
  ]),
  settings([TEMPLATE, "--mac-sources=eui64,duid"]),
  settings(["--mac-sources=duid", "--valid-lifetime=4294967295"]),
  settings([
    TEMPLATE,
    "--boot-url=u-boot=tftp://boot.example/u-boot",
    "--boot-url=grub=tftp://[{{.BootAddress}}]/{{.MAC}}/grub",
    "--boot-url=pxe-arm64=tftp://boot.example/pxe",
    "--boot-url=loader=http://boot.example/{{.Payload}}",
  ]),
];
