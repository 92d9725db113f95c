/**
 * Every bound of the daemon, with its reason. What is over a bound is refused
 * and counted; the rest goes on.
 *
 * @module
 */

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

/**
 * Answers that wait in this process for the send buffer of one socket; the
 * kernel's own takes about 200. More waiting would only make them late: clients
 * ask again.
 */
export const MAX_PENDING_REPLIES = 32;

/**
 * Answers in a quarter of a second to one address through the socket of those
 * that are known: a boot has four. Three seconds of them, while nobody is there
 * to take them, are a third of what the socket holds.
 */
export const MAX_REPLIES_PER_CONFIRMED_SOURCE = 8;

/** Addresses that are known to be there: as many as machines. */
export const MAX_CONFIRMED_SOURCES = 65_536;

/** Addresses that were answered, and may use the answer yet. */
export const MAX_UNCONFIRMED_SOURCES = 4096;

/**
 * Places, of 4 octets, for sources that have asked: of 100,000 new ones a
 * second, 98 in 100 are still there when they ask again after four seconds.
 */
export const SOURCE_TABLE_SIZE = 1024 * 1024;

/**
 * Messages in a quarter of a second above which senders are limited when
 * machines have to repeat theirs: half of what a slow processor answers. Then
 * one address gets so many of its messages answered, a machine's hundredfold;
 * and a relay's, as many as its whole lab of some thousand machines sends when
 * it is switched on.
 */
export const OVERLOAD_MESSAGES = 5000;
export const MAX_MESSAGES_PER_SOURCE = 250;
export const MAX_MESSAGES_PER_RELAY = 5000;

/** Architectures of one client that are told to the boot server. */
export const MAX_ARCHITECTURES = 8;

/** Events that one machine keeps: several boots of the longest kind. */
export const MAX_EVENTS_PER_MACHINE = 50;

/**
 * Readers of the event stream at once, and of one client: each holds some 50 KiB
 * in the runtime. Where there are few descriptors, there are fewer.
 */
export const MAX_EVENT_READERS = 2048;
export const MAX_EVENT_READERS_PER_CLIENT = 1536;

/**
 * Octets of written events that are kept for readers who are behind; who is
 * further behind is too slow. It is there once for all of them, and some seconds
 * of the busiest lab.
 */
export const MAX_RECENT_EVENT_BYTES = 4 * 1024 * 1024;

/**
 * HTTP connections that say nothing, or a quarter of the descriptors where those
 * are few. Above that they are closed; who asks again is served, and what is
 * being sent goes on.
 */
export const MAX_IDLE_CONNECTIONS = 512;

/**
 * Downloads at once, and to one client: each holds a connection, a file and a
 * piece of it for as long as its client likes.
 */
export const MAX_DOWNLOADS = 2048;
export const MAX_DOWNLOADS_PER_CLIENT = 128;

/**
 * Answers of the API and the page that are being written at once, and to one
 * client: each holds a connection and a piece of text for as long as its client
 * likes.
 */
export const MAX_API_RESPONSES = 256;
export const MAX_API_RESPONSES_PER_CLIENT = 64;

/**
 * MACs that `--boot-policy listed` keeps: as many as the machines remembered by
 * default. Reading 65,536 names takes 0.5 s, in which the event loop stands still
 * once for 0.1 s.
 */
export const MAX_LISTED_MACS = 65_536;

/** Octets of the file of machines' names: 65,536 of them and room for more. */
export const MAX_NAMES_FILE = 8 * 1024 * 1024;

/** Log lines that wait for a reader of stderr that has stalled. */
export const MAX_LOG_QUEUE = 1024;

/**
 * Warnings and errors that wait besides: a thousand new machines in a moment
 * shall not crowd out the line that explains them.
 */
export const MAX_LOG_RESERVE = 512;

/**
 * Lines of level info about machines written in a minute: a flood of new ones
 * shall not bury the line that explains it, nor fill a router's log.
 */
export const MAX_LOG_LINES_PER_MINUTE = 6000;

/**
 * Lines of one warning or error written in a minute. The first ones say it; a
 * flood of them would bury all others.
 */
export const MAX_WARNINGS_PER_MINUTE = 100;

/**
 * Machines that are remembered for a Solicit alone: a lab that is switched on,
 * and so many more each second. It takes no more than a datagram to be another
 * new machine; who comes above that is remembered when it goes on to Request,
 * and answered in any case. Otherwise a minute of flood would push all machines
 * that there are out of memory.
 */
export const NEW_MACHINE_BURST = 4096;
export const NEW_MACHINES_PER_SECOND = 100;

/**
 * Machines that are remembered for another message of theirs at once: those of a
 * large lab. A Request is as easily made up as a Solicit.
 */
export const NEW_MACHINE_BURST_WITHOUT_SOLICIT = 12_288;

/** Other DHCPv6 servers that are told of: a link has one or two. */
export const MAX_ROGUE_SERVERS = 16;

/**
 * Addresses that a log line has told of and that are remembered, so that each
 * is told of once a minute only.
 */
export const MAX_THROTTLED_KEYS = 256;

/** Characters of a string that a client sent which are kept with an event. */
export const MAX_KEPT_CHARACTERS = 128;

/** Characters of a string that a client sent which are shown to people. */
export const MAX_LOGGED_CHARACTERS = 128;

/**
 * Characters of one event that `watch` reads: the state of 65,536 machines with
 * 200,000 events has about 30 million.
 */
export const MAX_EVENT_CHARACTERS = 64 * 1024 * 1024;

/** Machines of each daemon that `watch` remembers, as many as a daemon does. */
export const MAX_WATCHED_MACHINES = 65_536;

/** Octets of a daemon's names that `watch` reads: its file, written as JSON. */
export const MAX_NAMES_BYTES = 2 * MAX_NAMES_FILE;

/** Machines of a state that `watch` shows on a terminal, where lines scroll away. */
export const MAX_STATE_LINES = 200;

/** Lines of `watch` that wait for another daemon's report of the same event. */
export const MAX_HELD_LINES = 1000;

/** TFTP transfers at once, and for one client: firmware never has two. */
export const MAX_TFTP_TRANSFERS = 256;
export const MAX_TFTP_TRANSFERS_PER_CLIENT = 8;

/** Packets to a TFTP client that has confirmed nothing: nobody is amplified. */
export const MAX_TFTP_UNACKNOWLEDGED = 3;

/**
 * Milliseconds after which a TFTP transfer that stands still makes room when
 * there are too many: firmware repeats itself within a few seconds.
 */
export const TFTP_EVICTION_IDLE_TIMEOUT = 10_000;

/** Octets of a file served over TFTP; it is kept in memory while it is sent. */
export const MAX_TFTP_FILE = 256 * 1024 * 1024;

/** Octets between two reports of a transfer's progress. */
export const PROGRESS_STEP = 5 * 1024 * 1024;

/**
 * Characters of an If-Match or If-None-Match that is read: browsers send one
 * tag. Reading tags takes time with the square of the blanks between them.
 */
export const MAX_CONDITION = 1024;

/**
 * Octets read from a file at once for HTTP: for one of few downloads, for each
 * of very many, and for all of them together. Of small pieces, reading costs more
 * than sending; of each piece, two more are on their way to the socket, and what
 * does not fit the processor's caches is copied at half the speed.
 */
export const MAX_FILE_CHUNK = 1024 * 1024;
export const MIN_FILE_CHUNK = 32 * 1024;
export const MAX_FILE_CHUNKS = 8 * 1024 * 1024;

/**
 * Octets of files that all downloads together hand on before the runtime looks
 * at the sockets, a millisecond's work: this decides how long a DHCPv6 message
 * waits meanwhile.
 */
export const MAX_FILE_BYTES_PER_POLL = 2 * 1024 * 1024;

/**
 * Events of one request to an OTLP collector: about half a megabyte of JSON,
 * far below the 20 MiB that collectors take, and all that is kept of them twice.
 */
export const MAX_OTLP_BATCH = 512;

/** Octets read of a collector's answer; those that mean something are short. */
export const MAX_OTLP_RESPONSE = 64 * 1024;

/**
 * Milliseconds that a collector may ask to be left alone for: one that is asked
 * for a day by mistake shall not need the daemon's restart.
 */
export const MAX_RETRY_AFTER = 5 * 60_000;
