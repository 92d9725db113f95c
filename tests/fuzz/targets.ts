/** All targets. */

import type { Target } from "./target.ts";
import { Dhcpv6Target } from "./targets/dhcpv6.ts";
import { TftpPacketTarget } from "./targets/tftp_packet.ts";
import { TftpTransferTarget } from "./targets/tftp_transfer.ts";
import { HttpFilesTarget } from "./targets/http_files.ts";
import { HttpRulesTarget } from "./targets/http_rules.ts";
import { TemplateTarget } from "./targets/template.ts";
import { CommandLineTarget } from "./targets/command_line.ts";
import { ShownTarget } from "./targets/shown.ts";
import { AddressesTarget } from "./targets/addresses.ts";
import { NamesTarget } from "./targets/names.ts";
import { EventStreamTarget } from "./targets/event_stream.ts";

/** Factories of targets, in the order of the report. */
export const TARGETS: readonly (() => Target)[] = [
  () => new Dhcpv6Target(),
  () => new TftpPacketTarget(),
  () => new TftpTransferTarget(),
  () => new HttpFilesTarget(),
  () => new HttpRulesTarget(),
  () => new TemplateTarget(),
  () => new CommandLineTarget(),
  () => new ShownTarget(),
  () => new AddressesTarget(),
  () => new NamesTarget(),
  () => new EventStreamTarget(),
];
