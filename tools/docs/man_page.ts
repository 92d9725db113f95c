/**
 * The manual page, from the tables of commands and options (man(7)).
 *
 * @module
 */

import { COMMANDS, type CommandSpec } from "../../lib/cli/help.ts";
import {
  fallbackOf,
  GROUPS,
  meaningOf,
  type OptionName,
  OPTIONS,
  type OptionSpec,
} from "../../lib/cli/options.ts";

/** tools/packaging/man/dhcpv6macd.8. */
export function manPage(): string {
  return [
    '.\\" Made by `deno task docs`.',
    '.TH DHCPV6MACD 8 "" "dhcpv6macd" "System Administration"',
    ".SH NAME",
    text("dhcpv6macd - stateless DHCPv6 and UEFI netboot server for one link"),
    ".SH SYNOPSIS",
    ...["[OPTION...]", ...Object.entries(COMMANDS).map(synopsisOf)]
      .flatMap((synopsis) => [".B dhcpv6macd", text(synopsis), ".br"]),
    ".SH DESCRIPTION",
    text(
      "Each client gets the first 80 bits of the base address and its MAC as its " +
        "IPv6 address. There is no lease store.",
    ),
    text(
      "With a boot URL or a netboot directory, machines boot over IPv6: UEFI PXE " +
        "by TFTP to iPXE, which is compiled in, and on to HTTP, or UEFI HTTP boot.",
    ),
    ".SH COMMANDS",
    text("Without a command, it serves."),
    ...Object.entries(COMMANDS).flatMap(([name, { help }]) =>
      item(`.B ${escaped(name)}`, help)
    ),
    ".SH OPTIONS",
    text(
      "Options have one or two dashes. A value follows a space or an equals " +
        "sign. An empty value means that the option is not given.",
    ),
    ...GROUPS.flatMap(groupOf),
    ".SH SIGNALS",
    ...item(".B SIGTERM, SIGINT, SIGQUIT", "end with exit status 0"),
    ...item(
      ".B SIGHUP",
      "read boot files, certificates, names and iPXE again",
    ),
    ".SH EXIT STATUS",
    ...item(".B 0", "it has ended by a signal, or the command was successful"),
    ...item(".B 1", "it cannot serve, or a check has failed"),
    ...item(".B 2", "the command line is wrong"),
    ".SH SEE ALSO",
    ".BR radvd (8),",
    ".BR systemd.network (5)",
    "",
  ].join("\n");
}

function synopsisOf([name, { usage }]: [string, CommandSpec]): string {
  return `${name} ${usage}`.trim();
}

function groupOf(group: typeof GROUPS[number]): string[] {
  return [
    `.SS ${escaped(group)}`,
    ...Object.entries<OptionSpec<unknown>>(OPTIONS)
      .filter(([, spec]) => spec.group === group)
      .flatMap(([name, { placeholder, repeatable }]) => {
        const fallback = fallbackOf(name as OptionName);
        const value = placeholder === undefined
          ? ""
          : ` \\fI${escaped(placeholder)}\\fR`;
        return item(
          `\\fB${escaped(`--${name}`)}\\fR${value}`,
          meaningOf(name as OptionName) + (repeatable ? "; repeatable" : "") +
            (fallback === "" ? "" : ` (default: ${fallback})`),
        );
      }),
  ];
}

function item(head: string, description: string): string[] {
  return [".TP", head, text(description)];
}

/** A line of text, of which none is a request. */
function text(plain: string): string {
  return escaped(plain).replace(/^[.']/, "\\&$&");
}

/** Without characters that mean something to the formatter. */
function escaped(plain: string): string {
  return plain.replaceAll("\\", "\\e").replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq");
}
