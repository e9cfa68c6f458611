import { TerminalFailure } from '#domain/failures.ts';
import type { Clock } from '#domain/ports/clock.ts';
import type { FailedMessage, FailedMessageStore } from '#domain/ports/failed-message-store.ts';
import type { MessageResender } from '#domain/ports/message-sender.ts';
import type { Telemetry } from '#domain/ports/telemetry.ts';

/** At most so many messages in one operation; another operation takes the rest. */
const REPLAY_COUNT_MAX = 10_000;

export interface ReplayRequest {
  /** These messages; else all that fit `reason` and `queue`, which needs `all` when neither is given. */
  readonly failedMessageIds?: readonly string[] | undefined;
  readonly all: boolean;
  readonly reason?: string | undefined;
  readonly queue?: string | undefined;
  /** For the audit. */
  readonly why: string;
  readonly actor: string;
  readonly ratePerSecond: number;
  /** Counts only. */
  readonly dryRun: boolean;
}

export interface ReplayAnswer {
  readonly operationId: string;
  readonly dryRun: boolean;
  readonly found: number;
  readonly replayed: number;
  /** Taken by another operation, or replayed already. */
  readonly skipped: number;
}

export interface ReplayPorts {
  readonly store: FailedMessageStore;
  readonly resender: MessageResender;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/**
 * Sends dead letters to the consumers in whose queues they died, and to nobody else. Each keeps its CloudEvents id,
 * so replaying what had succeeded changes nothing, and gets a new transport id, so that duplicate detection does not
 * swallow it. An operation that was interrupted goes on when it is asked for again under the same id.
 * @throws {TerminalFailure} `not-allowed` when nothing was chosen.
 * @throws {RetryableFailure} when store or broker do not answer.
 */
export async function replayDeadLetters(
  ports: ReplayPorts,
  request: ReplayRequest,
  operationId: string,
): Promise<ReplayAnswer> {
  const chosen = await choose(ports.store, request);
  const { actor, why, dryRun } = request;
  await ports.store.audit({
    operationId,
    actor,
    why,
    at: ports.clock.now().toISOString(),
    failedMessageIds: chosen.map((message) => message.failedMessageId),
    dryRun,
  });
  let replayed = 0;
  for (const { failedMessageId } of dryRun ? [] : chosen) {
    const claimed = await ports.store.claim(failedMessageId, operationId);
    if (claimed === undefined) continue;
    if (replayed > 0) await ports.clock.wait(1000 / request.ratePerSecond);
    const { queue, body, cloudEventId, replayCount } = claimed;
    await ports.resender.resend(queue, body, `${cloudEventId}#r${replayCount}`);
    await ports.store.markReplayed(failedMessageId, operationId);
    replayed++;
  }
  const found = chosen.length;
  ports.telemetry.event('dead letters replayed', { operationId, actor, why, dryRun }, { found, replayed });
  return { operationId, dryRun, found, replayed, skipped: dryRun ? 0 : found - replayed };
}

async function choose(store: FailedMessageStore, request: ReplayRequest): Promise<readonly FailedMessage[]> {
  const { failedMessageIds, reason, queue, all } = request;
  if (failedMessageIds !== undefined && failedMessageIds.length > 0) {
    const found = await Promise.all(failedMessageIds.map((id) => store.get(id)));
    return found.filter((message) => message !== undefined);
  }
  if (!all && reason === undefined && queue === undefined) {
    throw new TerminalFailure(
      'not-allowed',
      'Nothing was chosen for replay. Name the messages, a reason or a queue, or ask for all of them.',
    );
  }
  const filter = {
    ...(reason === undefined ? {} : { reason }),
    ...(queue === undefined ? {} : { queue }),
  };
  // Those in `replaying` may be this operation's own, from before it was interrupted; a claim tells.
  const failed = await store.list({ ...filter, state: 'failed' }, REPLAY_COUNT_MAX);
  const interrupted = await store.list({ ...filter, state: 'replaying' }, REPLAY_COUNT_MAX);
  // Oldest first: as they were sent.
  return [...failed, ...interrupted]
    .toSorted((one, other) => one.failedAt.localeCompare(other.failedAt))
    .slice(0, REPLAY_COUNT_MAX);
}
