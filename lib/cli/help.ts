/**
 * The text of `--help`.
 *
 * @module
 */

import {
  fallbackOf,
  GROUPS,
  type OptionName,
  OPTIONS,
  type OptionSpec,
} from "./options.ts";

/** The commands, and what they do; serving has none. */
export const COMMANDS: Readonly<Record<string, string>> = {
  check: "print what would be served",
  address: "print the addresses of clients",
  watch: "print the events of daemons",
  help: "print the options",
  version: "print the version",
};

/** Columns of the help text. */
const WIDTH = 80;

const INDENT = " ".repeat(6);

const INTRODUCTION = `\
A stateless DHCPv6 and UEFI netboot server for one link. Each client gets the
IPv6 address <80-bit prefix> + <its MAC>.

Usage:
  dhcpv6macd [OPTION...]                    serve
  dhcpv6macd check [OPTION...]              print what would be served
  dhcpv6macd address --base-address IPV6 MAC...
                                            print the addresses of clients
  dhcpv6macd watch [--json] URL...          print the events of daemons
  dhcpv6macd help                           print this help, as -h does
  dhcpv6macd version                        print the version

Examples:
  sudo dhcpv6macd --interface eth1 --base-address 2001:db8:123:4567::

  dhcpv6macd check --interface eth1 --base-address 2001:db8:123:4567:: \\
    --dns 2001:db8:123:4567::1 --domain-search lab.example

  dhcpv6macd address --base-address 2001:db8:123:4567:: 02:00:5e:00:53:01
`;

const CONCLUSION = `
Options have one or two dashes; a value follows a space or an equals sign. An
empty value means that the option is not given.
`;

/** The output of `--help`. */
export function helpText(): string {
  let text = INTRODUCTION;
  for (const group of GROUPS) {
    text += `\n${group}:\n`;
    for (const [name, spec] of Object.entries(OPTIONS)) {
      if (spec.group === group) text += describe(name as OptionName, spec);
    }
  }
  return text + CONCLUSION;
}

function describe(name: OptionName, spec: OptionSpec<unknown>): string {
  const value = spec.placeholder === undefined ? "" : ` ${spec.placeholder}`;
  const sentence = spec.help +
    (spec.repeatable ? "; repeatable" : "") +
    (fallbackOf(name) === "" ? "" : ` (default: ${fallbackOf(name)})`);
  return `  --${name}${value}\n${wrapped(sentence)}`;
}

function wrapped(sentence: string): string {
  let text = "";
  let line = INDENT;
  for (const word of sentence.split(" ")) {
    if (line !== INDENT && line.length + word.length > WIDTH) {
      text += `${line.trimEnd()}\n`;
      line = INDENT;
    }
    line += `${word} `;
  }
  return `${text}${line.trimEnd()}\n`;
}
