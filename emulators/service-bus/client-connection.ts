/** One client's connection: what it may touch, and the links it has open. */
import type { RheaConnection, RheaLink } from './rhea-internals.ts';
import { unauthorized } from './service-bus-error.ts';
import { covers, pathOf } from './shared-access-signature.ts';

const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class ClientConnection {
  readonly connection: RheaConnection;
  readonly #now: () => number;
  /** Expiry in epoch milliseconds by lower-case path. */
  readonly #claims = new Map<string, number>();
  readonly #links = new Map<RheaLink, { readonly path: string; readonly close: () => void }>();
  #expiryTimer: NodeJS.Timeout | undefined;

  constructor(connection: RheaConnection, now: () => number) {
    this.connection = connection;
    this.#now = now;
    corkWrites(connection);
  }

  /** A token was accepted; a later one for the same path takes the place of the earlier. */
  grant(path: string, expiresAt: number): void {
    this.#claims.set(path, expiresAt);
    this.#watchExpiry();
  }

  /** @throws ServiceBusError `amqp:unauthorized-access` without a valid token for the address */
  authorize(address: string): void {
    if (this.#isPermitted(pathOf(address))) return;
    throw unauthorized(
      `Unauthorized access. 'Send' or 'Listen' claim(s) are required for '${address}': put a token on $cbs first.`,
    );
  }

  /** `close` is called when the link or the connection ends. */
  register(link: RheaLink, address: string, close: () => void): void {
    this.#links.set(link, { path: pathOf(address), close });
  }

  unregister(link: RheaLink): void {
    this.#links.get(link)?.close();
    this.#links.delete(link);
  }

  unregisterAll(session?: unknown): void {
    for (const link of this.#links.keys()) {
      if (session === undefined || link.session === session) this.unregister(link);
    }
    if (session === undefined) clearTimeout(this.#expiryTimer);
  }

  /** Cuts the socket, as a network failure would. */
  drop(): void {
    this.connection.socket.destroy();
    this.connection._disconnected();
  }

  #isPermitted(path: string): boolean {
    const now = this.#now();
    return [...this.#claims].some(([granted, expiresAt]) => expiresAt > now && covers(granted, path));
  }

  #watchExpiry(): void {
    clearTimeout(this.#expiryTimer);
    const earliest = Math.min(...this.#claims.values());
    if (!Number.isFinite(earliest)) return;
    const waitMs = Math.min(Math.max(earliest - this.#now(), 0) + 1, LONGEST_TIMER_MS);
    this.#expiryTimer = setTimeout(() => this.#expire(), waitMs);
    this.#expiryTimer.unref();
  }

  #expire(): void {
    const now = this.#now();
    for (const [path, expiresAt] of this.#claims) if (expiresAt <= now) this.#claims.delete(path);
    for (const [link, { path }] of this.#links) {
      if (this.#isPermitted(path)) continue;
      link.close(unauthorized('ExpiredToken: The token has expired. Put a new one on $cbs.').asAmqpError());
      this.unregister(link);
    }
    this.#watchExpiry();
  }
}

/** rhea writes every frame by itself; corked, the frames of one pass leave in one packet. */
function corkWrites(connection: RheaConnection): void {
  const { socket } = connection;
  const process = connection._process;
  connection._process = function corked(this: RheaConnection): void {
    socket.cork();
    try {
      process.call(this);
    } finally {
      socket.uncork();
    }
  };
}
