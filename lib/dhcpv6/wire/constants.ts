/**
 * The numbers of DHCPv6, from RFC 8415 unless a comment names another RFC, and
 * the reasons for dropping a message.
 *
 * @module
 */

/** The UDP port of servers and relays (RFC 8415 §7.2). */
export const SERVER_PORT = 547;

/** All_DHCP_Relay_Agents_and_Servers and All_DHCP_Servers (RFC 8415 §7.1). */
export const ALL_RELAYS_AND_SERVERS = "ff02::1:2";
export const ALL_SERVERS = "ff05::1:3";

/**
 * Transient link-local groups (RFC 4291 §2.7) that no host joins. The kernel binds
 * a socket with such an address to the interface of its zone, and the socket only
 * sends.
 */
export const SENDING_GROUPS = ["ff12::1:2", "ff12::1:3", "ff12::1:4"] as const;

/** Message types (RFC 8415 §7.3). */
export const MessageType = {
  Solicit: 1,
  Advertise: 2,
  Request: 3,
  Confirm: 4,
  Renew: 5,
  Rebind: 6,
  Reply: 7,
  Release: 8,
  Decline: 9,
  Reconfigure: 10,
  InformationRequest: 11,
  RelayForward: 12,
  RelayReply: 13,
} as const;

const MESSAGE_NAMES = [
  "",
  "solicit",
  "advertise",
  "request",
  "confirm",
  "renew",
  "rebind",
  "reply",
  "release",
  "decline",
  "reconfigure",
  "information_request",
  "relay_forward",
  "relay_reply",
];

/** Whether RFC 8415 §7.3 defines this message type. */
export function isMessageType(type: number): boolean {
  return Boolean(MESSAGE_NAMES[type]);
}

/** The name of a message type in logs and metrics; `type_N` if unknown. */
export function messageName(type: number): string {
  return MESSAGE_NAMES[type] || `type_${type}`;
}

/** Option codes. */
export const OptionCode = {
  ClientId: 1,
  ServerId: 2,
  IaNa: 3,
  IaTa: 4,
  IaAddress: 5,
  OptionRequest: 6,
  Preference: 7,
  ElapsedTime: 8,
  RelayMessage: 9,
  Authentication: 11,
  ServerUnicast: 12,
  StatusCode: 13,
  RapidCommit: 14,
  UserClass: 15,
  VendorClass: 16,
  InterfaceId: 18,
  ReconfigureMessage: 19,
  ReconfigureAccept: 20,
  /** RFC 3646 §3 */
  DnsServers: 23,
  /** RFC 3646 §4 */
  DomainList: 24,
  IaPd: 25,
  IaPrefix: 26,
  /** RFC 4075: older clients request this one instead of 56 */
  SntpServers: 31,
  InformationRefreshTime: 32,
  /** RFC 4704 */
  ClientFqdn: 39,
  /** RFC 4994 */
  EchoRequest: 43,
  /** RFC 5908 */
  NtpServer: 56,
  /** RFC 5970 §3.1 */
  BootFileUrl: 59,
  /** RFC 5970 §3.3 */
  ClientArchitecture: 61,
  /** RFC 5970 §3.4 */
  NetworkInterfaceId: 62,
  /** RFC 6939 */
  ClientLinkLayerAddress: 79,
  SolMaxRt: 82,
  InfMaxRt: 83,
  /** RFC 8357 */
  RelaySourcePort: 135,
} as const;

/**
 * The label of bytes that form no option: fewer than {@linkcode OPTION_HEADER}
 * behind the last option, or zero bytes that pad a message (code 0 is reserved).
 */
const NO_OPTION_LABEL = 0;

/** The label of every option that {@linkcode OptionCode} does not have. */
const OTHER_OPTION_LABEL = 1;

/** Names of options in logs and metrics: a fixed number, whatever clients send. */
export const OPTION_LABELS: readonly string[] = [
  "trailing_bytes",
  "other",
  ...Object.keys(OptionCode).map((name) =>
    name.replace(/(?<=.)[A-Z]/g, "_$&").toLowerCase()
  ),
];

const LABELS = new Uint8Array(256).fill(OTHER_OPTION_LABEL);
LABELS[0] = NO_OPTION_LABEL;
for (const [index, code] of Object.values(OptionCode).entries()) {
  LABELS[code] = OTHER_OPTION_LABEL + 1 + index;
}

/** The index in {@linkcode OPTION_LABELS} of an option code; 0 is no option. */
export function optionLabel(code: number): number {
  return code < LABELS.length ? LABELS[code]! : OTHER_OPTION_LABEL;
}

/** Status codes (RFC 8415 §21.13). */
export const StatusCode = {
  Success: 0,
  NoAddrsAvail: 2,
  NoBinding: 3,
  NotOnLink: 4,
  NoPrefixAvail: 6,
} as const;

/** DUID types (RFC 8415 §11). */
export const DuidType = {
  LinkLayerTime: 1,
  EnterpriseNumber: 2,
  LinkLayer: 3,
  Uuid: 4,
} as const;

/** Ethernet as a hardware type, in DUIDs and option 79 (RFC 826). */
export const HARDWARE_TYPE_ETHERNET = 1;

/**
 * Bytes of a DUID: a type of 2 bytes and 1 to 128 more (RFC 8415 §11.1).
 */
export const MIN_DUID = 3;
export const MAX_DUID = 130;

/** Bytes before the options of a client's message (RFC 8415 §8) and of a relay's (§9). */
export const MESSAGE_HEADER = 4;
export const RELAY_HEADER = 34;

/** Bytes of an option's code and length. */
export const OPTION_HEADER = 4;

/** Bytes of an IA_NA or IA_PD before its options: IAID, T1, T2. */
export const IA_HEADER = 12;

/** Bytes of an IA_TA before its options: IAID. */
export const IA_TA_HEADER = 4;

/** Bytes of an IA Address before its options: address and 2 lifetimes. */
export const IA_ADDRESS_HEADER = 24;

/** Bytes of an IA Prefix before its options. */
export const IA_PREFIX_HEADER = 25;

/**
 * Bytes of the longest datagram that the daemon reads. A client's message fits
 * the IPv6 minimum MTU of 1280 bytes, and 9 relay levels with long Interface-IDs
 * fit the rest.
 */
export const MAX_DHCPV6_PACKET = 4096;

/**
 * Bytes of the longest reply, as UDP payload: the IPv6 minimum MTU of 1280 less 40
 * for IPv6 and 8 for UDP. No reply is ever fragmented.
 */
export const MAX_DHCPV6_REPLY = 1232;

/**
 * Relay-forward levels that the daemon reads. HOP_COUNT_LIMIT (RFC 8415 §7.6) is
 * 8, and hop-counts begin at 0.
 */
export const MAX_RELAY_DEPTH = 9;

/** Options of one level of a message. Clients send about 10. */
export const MAX_OPTIONS = 64;

/** Why the daemon drops a message. Each reason has a counter. */
export const DROP_REASONS = [
  // Not a message for a server.
  "packet_too_long",
  "packet_too_short",
  "option_malformed",
  "too_many_options",
  "unknown_message_type",
  "not_for_servers",
  "relay_too_deep",
  "relay_message_missing",
  // Invalid by RFC 8415 §16.
  "client_id_missing",
  "client_id_empty",
  "server_id_missing",
  "server_id_unexpected",
  "server_id_foreign",
  "ia_unexpected",
  "confirm_without_address",
  // Its source.
  "client_message_not_multicast",
  "source_not_link_local",
  "link_unknown",
  "source_too_loud",
  // Its client.
  "no_mac",
  "mac_not_allowed",
  // Its reply.
  "answer_too_long",
  "send_blocked",
  "send_failed",
] as const;

/** One of {@linkcode DROP_REASONS}. */
export type DropReason = typeof DROP_REASONS[number];
