/**
 * The numbers of DHCPv6 (RFC 8415 and those that the comments name), and the
 * reasons for which a message gets no answer.
 *
 * @module
 */

/** The UDP port of servers and relays (RFC 8415 §7.2). */
export const SERVER_PORT = 547;

/** All_DHCP_Relay_Agents_and_Servers and All_DHCP_Servers (RFC 8415 §7.1). */
export const ALL_RELAYS_AND_SERVERS = "ff02::1:2";
export const ALL_SERVERS = "ff05::1:3";

/**
 * Groups of this link that nobody joins (RFC 4291 §2.7, transient): a socket
 * that is bound to one is tied to the link, and only sends.
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

/** Whether RFC 8415 defines a message type with this number. */
export function isMessageType(type: number): boolean {
  return Boolean(MESSAGE_NAMES[type]);
}

/** A message type's name for logs and metrics, `type_N` for unknown ones. */
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
  /** RFC 4075: older clients ask for this instead of 56 */
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

/** Octets of a DUID with its type: 2 and at most 128 more (RFC 8415 §11.1). */
export const MIN_DUID = 3;
export const MAX_DUID = 130;

/** Octets before the options: of a client's message, and of a relayed one. */
export const MESSAGE_HEADER = 4;
export const RELAY_HEADER = 34;

/** Octets of an option's code and length. */
export const OPTION_HEADER = 4;

/** Octets of an IA_NA or IA_PD before its options: IAID, T1, T2. */
export const IA_HEADER = 12;

/** Octets of an IA_TA before its options: IAID. */
export const IA_TA_HEADER = 4;

/** Octets of an IA Address before its options: address and two lifetimes. */
export const IA_ADDRESS_HEADER = 24;

/** Octets of an IA Prefix before its options. */
export const IA_PREFIX_HEADER = 25;

/**
 * Longest DHCPv6 datagram read, in octets. A client's message fits the IPv6
 * minimum MTU; nine relays with long Interface-IDs around it stay below this.
 */
export const MAX_DHCPV6_PACKET = 4096;

/**
 * Longest DHCPv6 answer, in octets of UDP payload: the IPv6 minimum MTU of
 * 1280 less 40 for IPv6 and 8 for UDP, so that no answer is ever fragmented.
 */
export const MAX_DHCPV6_REPLY = 1232;

/** Relay-forward levels read: HOP_COUNT_LIMIT (RFC 8415 §7.6) counts from 0. */
export const MAX_RELAY_DEPTH = 9;

/** Options of one level of one message; clients send about ten. */
export const MAX_OPTIONS = 64;

/** Why a message gets no answer. Each has a counter. */
export const DROP_REASONS = [
  // not a message that a server reads
  "packet_too_long",
  "packet_too_short",
  "option_malformed",
  "too_many_options",
  "unknown_message_type",
  "not_for_servers",
  "relay_too_deep",
  "relay_message_missing",
  // RFC 8415 §16, message by message
  "client_id_missing",
  "client_id_empty",
  "server_id_missing",
  "server_id_unexpected",
  "server_id_foreign",
  "ia_unexpected",
  "confirm_without_address",
  // where it came from
  "client_message_not_multicast",
  "source_not_link_local",
  "link_unknown",
  "source_too_loud",
  // who sent it
  "no_mac",
  "mac_not_allowed",
  // what would have been sent
  "answer_too_long",
  "send_blocked",
  "send_failed",
] as const;

/** Why a message gets no answer. */
export type DropReason = typeof DROP_REASONS[number];
