/**
 * The capacity limits that are no options, with their reasons. What exceeds a
 * limit is refused, dropped or evicted, and counted; everything else continues.
 *
 * @module
 */

// DHCPv6

/**
 * Replies that wait in this process for the send buffer of one socket. The
 * kernel queues about 200 more. A longer queue would only delay replies: the
 * client retransmits anyway.
 */
export const MAX_PENDING_REPLIES = 32;

/**
 * Replies by unicast to sources that may not exist, at once, and as many to those
 * that send again: the kernel keeps each in the send buffer for 3 s, and about 270
 * fill it. What is left is for relays that are known.
 */
export const UNRESOLVED_REPLIES = 16;

/** The same, for each second after that. */
export const UNRESOLVED_REPLIES_PER_SECOND = 16;

/**
 * Entries, of 4 bytes, for source addresses that have sent a message. With
 * 100,000 new source addresses per second, 98 % of the entries still exist when
 * the client retransmits after 4 s.
 */
export const SOURCE_TABLE_SIZE = 1024 * 1024;

/**
 * Messages in 250 ms above which sources are rate-limited while clients
 * retransmit: half of what a slow processor answers.
 */
export const OVERLOAD_MESSAGES = 5000;

/**
 * Messages in 250 ms answered to one source under overload: a hundred times
 * what one client sends.
 */
export const MAX_MESSAGES_PER_SOURCE = 250;

/**
 * Messages in 250 ms answered to one relay under overload: those of some
 * thousand machines that are switched on together.
 */
export const MAX_MESSAGES_PER_RELAY = 5000;

/** Other DHCPv6 servers reported. An interface has one or two. */
export const MAX_ROGUE_SERVERS = 16;

/**
 * Causes, by link, for which clients are not served, that are remembered: some
 * 300 bytes each. A forged link-address makes one.
 */
export const MAX_UNSERVED = 64;

/**
 * DUIDs remembered as this server's own: one for each MAC that the interface had.
 * A bridge gets another one when its ports change.
 */
export const MAX_OWN_DUIDS = 256;

// Machines

/** Events kept for one machine: several boots of the longest kind. */
export const MAX_EVENTS_PER_MACHINE = 50;

/**
 * Token bucket for machines added because of a Solicit: a whole lab that is
 * switched on. One forged Solicit creates a machine. Above this
 * limit a client is still answered, and becomes a machine with its Request;
 * otherwise one minute of flooding would evict all real machines.
 */
export const NEW_MACHINE_BURST = 4096;

/** Machines added per second because of a Solicit, after the burst. */
export const NEW_MACHINES_PER_SECOND = 100;

/**
 * Machines added at once because of any other message: those of a large lab. A
 * Request is as easily made up as a Solicit.
 */
export const NEW_MACHINE_BURST_OTHER = 12_288;

/**
 * Refused requests of a machine that are kept in one boot stage; of further ones
 * the latest is. Boot loaders probe for files that need not exist.
 */
export const MAX_REFUSALS_PER_STAGE = 8;

/** Refused requests recorded at once, and 100 more per second. */
export const REFUSAL_BURST = 1000;

/** Characters kept of a string that a client sent with an event. */
export const MAX_KEPT_CHARACTERS = 128;

// Files

/**
 * MACs that `--boot-policy listed` keeps: the default of --max-machines. Reading
 * 65,536 names takes 0.5 s, and blocks the event loop once for 0.1 s.
 */
export const MAX_LISTED_MACS = 65_536;

/**
 * Names in the directories of a machine, at any depth, whose changes
 * `--boot-policy once` sees; each is a system call for each look at them.
 */
export const MAX_ONCE_NAMES = 1000;

/** Bytes of a file with certificates or a key: those of all authorities fit. */
export const MAX_PEM_FILE = 1024 * 1024;

/**
 * Operations on boot files at once, each in a thread. The runtime has 32; the
 * list of machines takes up to 8 more, the files of the configuration and the
 * log one each. As many may wait for each file system that is not of this host,
 * which has a thread of its own.
 */
export const MAX_FILE_OPERATIONS = 16;

/**
 * Those of one client. One download has one at a time, so that four clients have
 * to meet a file system that does not answer before others wait for it.
 */
export const MAX_FILE_OPERATIONS_PER_CLIENT = 4;

/** Milliseconds that a request waits for other file operations to end. */
export const FILE_QUEUE_TIMEOUT = 2000;

/** Milliseconds that a request waits for a file operation of its own. */
export const FILE_TIMEOUT = 5000;

/** Milliseconds after which a file operation is reported. */
export const FILE_STALL_TIME = 2000;

/**
 * File systems that are not of this host and are read at once. Each has a thread
 * and 16 MB.
 */
export const MAX_FILE_THREADS = 8;

/** Milliseconds without a request after which such a thread ends. */
export const FILE_THREAD_IDLE_TIME = 60_000;

/** Bytes of the names file: 128 for each of 65,536 machines. */
export const MAX_NAMES_FILE = 8 * 1024 * 1024;

// HTTP

/**
 * Connections without a response in progress, or a quarter of the file
 * descriptors if that is less. Of more the oldest are closed, first those of
 * clients that have many.
 */
export const MAX_IDLE_CONNECTIONS = 512;

/**
 * Connections without a response in progress that may exist besides for as long
 * as {@linkcode NEW_CONNECTION_TIME}, or half of the free places if that is less:
 * all readers of the event stream connect at once when the daemon is back.
 */
export const MAX_NEW_CONNECTIONS = 768;

/**
 * Milliseconds for which a connection counts as new. The runtime has its request
 * for some of them before the daemon is asked.
 */
export const NEW_CONNECTION_TIME = 1000;

/**
 * Milliseconds for a connection to send its first request: a TLS handshake of
 * slow firmware takes two seconds.
 */
export const SILENT_CONNECTION_TIMEOUT = 20_000;

/** Milliseconds that a connection stays open for a further request. */
export const IDLE_CONNECTION_TIMEOUT = 120_000;

/**
 * Milliseconds after which a connection is closed whose client acknowledges
 * nothing of a response, as when it was switched off.
 */
export const STALLED_CONNECTION_TIMEOUT = 60_000;

/**
 * Bytes that a client may send on a connection besides its requests, for which
 * {@linkcode REQUEST_BYTES} each are allowed: the runtime keeps the beginning of a
 * request, and over HTTP/2 what follows it, until that ends. A header of 16 KiB
 * fits. It is measured 20 times a second: until then the bound is that of the
 * runtime. The first connection is measured 10 ms after it has come.
 */
export const MAX_EXCESS_PER_CONNECTION = 32 * 1024;

/**
 * The same of all connections together. The runtime takes up to 30 times as much
 * for empty frames.
 */
export const MAX_EXCESS_BYTES = 512 * 1024;

/**
 * Bytes that a client reads for each one that it may send besides requests: over
 * HTTP/2 it lets more come by frames of 13 bytes, each with 22 more over TLS, some
 * clients two of them for 4 KiB.
 */
export const READ_PER_EXCESS = 32;

/**
 * Bytes that a client may send at once for what it has read before, or for the
 * time that its connection exists.
 */
export const MAX_EXCESS_CREDIT = 32 * 1024;

/**
 * Bytes that all clients together may have sent besides their requests since
 * these are answered, however much they read, while the process has more memory
 * than {@linkcode PRESSED_MEMORY}: over HTTP/2 the runtime may keep them until the
 * responses end. Clients that let more come in very small steps reach it together
 * after some 200 MB.
 */
export const MAX_KEPT_BYTES = 1024 * 1024;

/**
 * Bytes of memory of the process outside of JavaScript, some 60 MB of them pages of
 * the program file, above which {@linkcode MAX_KEPT_BYTES} counts.
 */
export const PRESSED_MEMORY = 160 * 1024 * 1024;

/** Bytes of one request. Browsers send some 700. */
export const REQUEST_BYTES = 4096;

/** Bytes of requests that the kernel keeps for each connection until they are read. */
export const RECEIVE_BUFFER = 2048;

/**
 * Bytes a second that a client reads, at least, when more than half of the
 * places for responses are in use and it has more than its share of that half. A
 * boot file of 30 MB would take eight hours.
 */
export const MIN_READ_RATE = 1024;

/**
 * Bytes of responses that all clients together may have unread, in this process
 * and in the kernel. The runtime takes twice as much for them: a daemon with some
 * 75 MB of its own lives in 160 MB. 64 downloads of 1 Gbit/s each at a distance of
 * 3 ms fit.
 */
export const MAX_UNREAD_BYTES = 24 * 1024 * 1024;

/**
 * Readers of the event stream at once. Each takes memory of the runtime as well.
 * With fewer file descriptors the limit is lower, see `fdSharesOf`.
 */
export const MAX_EVENT_READERS = 2048;

/**
 * Bytes of a line of the event stream's state. Common readers, such as Go's
 * `bufio.Scanner`, fail at a line of 65,536 bytes; the field's name, the MAC and
 * punctuation are added to these.
 */
export const MAX_STATE_LINE_BYTES = 60_000;

/** Addresses of HTTP, and of HTTPS: each takes a file descriptor. */
export const MAX_LISTEN_ADDRESSES = 16;

/** Readers of the event stream at once from one address. */
export const MAX_EVENT_READERS_PER_CLIENT = 1536;

/**
 * Bytes of recent events kept, once for all readers: some seconds of the
 * busiest lab. A reader that lags behind further is dropped.
 */
export const MAX_RECENT_EVENT_BYTES = 4 * 1024 * 1024;

/**
 * Downloads at once. Each takes a connection, an open file and one chunk of it
 * for as long as the client reads.
 */
export const MAX_DOWNLOADS = 2048;

/** Downloads at once from one address. */
export const MAX_DOWNLOADS_PER_CLIENT = 128;

/**
 * Responses in progress at once on one connection; one that asks for more is
 * closed. Over HTTP/2 the runtime lets 200 in, and each takes some 6 KB. A browser
 * asks for some 20 at once.
 */
export const MAX_CONNECTION_RESPONSES = 64;

/**
 * Bytes of responses over HTTP/2 that the runtime may keep for ever, see
 * `Connections`: of more, a connection with a second response in progress is closed,
 * for only then does it do so. Each takes some 50 KB.
 */
export const MAX_STUCK_BYTES = 16 * 1024 * 1024;

/**
 * Responses of API and web page in progress at once. Each takes a connection
 * and a slice of text for as long as the client reads.
 */
export const MAX_API_RESPONSES = 256;

/** Responses of API and web page in progress at once to one address. */
export const MAX_API_RESPONSES_PER_CLIENT = 64;

/**
 * Bytes of the chunks that all downloads together hold. Each download has two
 * more chunks in the runtime; what exceeds the processor's caches is
 * copied at half the speed.
 */
export const MAX_TOTAL_CHUNK_BYTES = 8 * 1024 * 1024;

/** Bytes of one chunk while there are few downloads. */
export const MAX_CHUNK_BYTES = 1024 * 1024;

/**
 * Bytes of one chunk while there are very many downloads. With smaller chunks
 * reading takes longer than sending.
 */
export const MIN_CHUNK_BYTES = 16 * 1024;

/**
 * Bytes of a chunk that all downloads of a file share. Of a larger one a download
 * would need more than its part.
 */
export const SHARED_CHUNK_BYTES = 256 * 1024;

/**
 * Bytes of such chunks that all downloads together send at once: the runtime keeps
 * as much for each connection as it has got at once, until that is closed.
 */
export const MAX_PIECES_BYTES = 48 * 1024 * 1024;

/**
 * Bytes of such a chunk that one of very many downloads over TLS sends at once: two
 * records. With more in a row, sending them takes 1.4 times as long.
 */
export const MAX_TLS_PIECE_BYTES = 32 * 1024;

/**
 * Downloads at once that are few: over TLS as well, each sends a whole chunk at once
 * then, for a small piece takes more time than its records do.
 */
export const FEW_DOWNLOADS = 64;

/**
 * Bytes of the chunks that downloads share: most of the file while many machines
 * boot the same small system.
 */
export const MAX_SHARED_CHUNK_BYTES = 24 * 1024 * 1024;

/**
 * Bytes that all downloads together hand to the runtime before it polls the
 * sockets: 1 ms of work. This is the longest that downloads delay a DHCPv6 message.
 */
export const MAX_FILE_BYTES_PER_POLL = 2 * 1024 * 1024;

// Log

/** Lines queued for stderr while its reader has stalled. */
export const MAX_LOG_QUEUE = 1024;

/**
 * Warnings and errors queued beside these lines, so that 1,000 new machines do
 * not displace the line that explains them.
 */
export const MAX_LOG_RESERVE = 512;

/**
 * Lines of level info about machines written per minute, so that a flood of new
 * machines neither hides the warning about it nor fills a router's log.
 */
export const MAX_LOG_LINES_PER_MINUTE = 6000;

/** Lines of one warning or error written per minute. */
export const MAX_WARNINGS_PER_MINUTE = 100;

/**
 * Keys, such as addresses, that a repeated log line is throttled by: some 100
 * bytes each. While all are in use, lines about further keys are not written.
 */
export const MAX_THROTTLED_KEYS = 4096;

// `dhcpv6macd watch`

/**
 * Characters of one event that `watch` reads: the state of 65,536 machines with
 * 200,000 events has about 30 million.
 */
export const MAX_EVENT_CHARACTERS = 64 * 1024 * 1024;

/** Machines of each daemon that `watch` keeps: as many as a daemon does. */
export const MAX_WATCHED_MACHINES = 65_536;

/** Bytes of a daemon's names that `watch` reads: the names file as JSON. */
export const MAX_NAMES_BYTES = 2 * MAX_NAMES_FILE;

/** Machines of a state that `watch` prints; more would scroll away. */
export const MAX_STATE_LINES = 200;

/** Lines of `watch` that wait for other daemons to report the same event. */
export const MAX_HELD_LINES = 1000;

// TFTP

/** TFTP transfers at once. */
export const MAX_TFTP_TRANSFERS = 256;

/** TFTP transfers at once to one client; firmware never has two. */
export const MAX_TFTP_TRANSFERS_PER_CLIENT = 8;

/**
 * TFTP requests that wait for a transfer to end, of 512 bytes each at most:
 * machines that are switched on at once, where firmware takes an ERROR for the end.
 */
export const MAX_WAITING_TFTP_REQUESTS = 1024;

/** Packets to a TFTP client before its first ACK: limits amplification. */
export const MAX_TFTP_UNACKNOWLEDGED = 3;

/**
 * Milliseconds after which an idle TFTP transfer may be evicted for a new one;
 * firmware retransmits within a few seconds.
 */
export const TFTP_EVICTION_IDLE_TIMEOUT = 10_000;

/**
 * Bytes a second that a TFTP client acknowledges at least while others wait for a
 * place; with less, the slowest transfer ends. A client with blocks of 512 bytes
 * that loses every tenth packet, and waits a second each time, still gets more.
 */
export const MIN_TFTP_RATE = 2048;

/** Bytes of an iPXE file, which is in memory while it is sent. */
export const MAX_TFTP_FILE = 256 * 1024 * 1024;

/**
 * Bytes of a window of other files. Twice as many of each transfer are in memory:
 * 32 MiB of 256 transfers.
 */
export const MAX_TFTP_FILE_WINDOW = 64 * 1024;

/** Bytes that are read of such a file at once, at least. */
export const MIN_TFTP_PIECE = 16 * 1024;

/** Bytes of such a file in the mode netascii, which is converted in memory. */
export const MAX_NETASCII_FILE = 64 * 1024;

// OTLP

/**
 * Events in one request to a collector: about half a megabyte of JSON, far
 * below the 20 MiB that collectors accept. Only these events are copied.
 */
export const MAX_OTLP_BATCH = 512;

/** Characters of a collector's text that are logged. */
export const MAX_OTLP_REASON = 256;

/** Bytes read of a collector's response. Meaningful ones are short. */
export const MAX_OTLP_RESPONSE = 64 * 1024;
