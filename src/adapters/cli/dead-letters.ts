import type { FailedMessage, ReplayAudit } from '#domain/ports/failed-message-store.ts';
import type { ReplayAnswer } from '#handlers/operations/replay-dead-letters.ts';
import type { ApiClient } from './api-client.ts';
import { CommandError, EXIT } from './exit-codes.ts';
import type { ReplayOptions } from './program.ts';
import { tableText } from './render-status.ts';
import { countText, type Terminal } from './terminal.ts';

export interface DeadLetterCommandPorts {
  readonly api: ApiClient;
  readonly terminal: Terminal;
  /** Who asks, for the audit. */
  readonly actor: string;
}

/** The most that one answer of the API holds. */
const LIST_COUNT_MAX = 1000;

export async function listDeadLetters(
  { api, terminal }: DeadLetterCommandPorts,
  options: { readonly reason?: string; readonly queue?: string; readonly json: boolean },
): Promise<number> {
  const query = new URLSearchParams({ limit: String(LIST_COUNT_MAX) });
  if (options.reason !== undefined) query.set('reason', options.reason);
  if (options.queue !== undefined) query.set('queue', options.queue);
  const { deadLetters } = await api.get<{ deadLetters: FailedMessage[] }>(`/dead-letters?${query}`);
  terminal.print(options.json ? JSON.stringify(deadLetters, null, 2) : listText(deadLetters));
  return EXIT.ok;
}

export async function showDeadLetter(
  { api, terminal }: DeadLetterCommandPorts,
  id: string,
  { json }: { readonly json: boolean },
): Promise<number> {
  const found = await api.find<FailedMessage>(`/dead-letters/${encodeURIComponent(id)}`);
  if (found === undefined) {
    throw new CommandError(`There is no dead letter ${id}. \`landfall dead-letters list\` lists them.`);
  }
  terminal.print(json ? JSON.stringify(found, null, 2) : messageText(found));
  return EXIT.ok;
}

/** Who replayed what, when and why; the newest first. */
export async function auditReplays(
  { api, terminal }: DeadLetterCommandPorts,
  { json }: { readonly json: boolean },
): Promise<number> {
  const { replays } = await api.get<{ replays: ReplayAudit[] }>(`/replays?limit=${LIST_COUNT_MAX}`);
  terminal.print(json ? JSON.stringify(replays, null, 2) : auditText(replays));
  return EXIT.ok;
}

function auditText(replays: readonly ReplayAudit[]): string {
  if (replays.length === 0) return 'Nobody has replayed dead letters yet.';
  const rows = replays.map(({ operationId, at, actor, failedMessageIds, dryRun, why }) => [
    operationId,
    at,
    actor,
    `${failedMessageIds.length}${dryRun ? ' (dry run)' : ''}`,
    why,
  ]);
  return tableText(['operation', 'at', 'by', 'dead letters', 'why'], rows);
}

/** Sends one message, or all that fit, to their consumers again. @throws {CommandError} when nothing was chosen. */
export async function replayDeadLetters(
  { api, terminal, actor }: DeadLetterCommandPorts,
  id: string | undefined,
  options: ReplayOptions,
): Promise<number> {
  const { all, reason, queue, why, rate, operation, dryRun, json } = options;
  const byFilter = all || reason !== undefined || queue !== undefined;
  if (id === undefined && !byFilter) {
    throw new CommandError(
      'Nothing was chosen. Name a dead letter, a --reason, a --queue, or ask for --all; --dry-run only counts.',
      EXIT.usage,
    );
  }
  if (id !== undefined && byFilter) {
    throw new CommandError(
      `Name either one dead letter (${id}) or what the messages have in common, not both.`,
      EXIT.usage,
    );
  }
  const answer = await api.send<ReplayAnswer>('POST', '/dead-letters/replay', {
    ...(id === undefined ? {} : { failedMessageIds: [id] }),
    all,
    ...(reason === undefined ? {} : { reason }),
    ...(queue === undefined ? {} : { queue }),
    ...(why === undefined ? {} : { why }),
    ...(operation === undefined ? {} : { operationId: operation }),
    ratePerSecond: rate,
    dryRun,
    actor,
  });
  if (id !== undefined && answer.found === 0) {
    throw new CommandError(`There is no dead letter ${id}. \`landfall dead-letters list\` lists them.`);
  }
  terminal.print(json ? JSON.stringify(answer) : answerText(answer));
  return EXIT.ok;
}

function listText(messages: readonly FailedMessage[]): string {
  if (messages.length === 0) return 'No dead letters.';
  const rows = messages.map((message) => [
    message.failedMessageId,
    message.state,
    message.queue,
    message.messageType,
    message.reason,
    message.failedAt,
    message.measurementId ?? '',
  ]);
  return [
    ...causesText(messages),
    '',
    tableText(['dead letter', 'state', 'queue', 'type', 'reason', 'failed', 'measurement'], rows),
    ...(messages.length < LIST_COUNT_MAX
      ? []
      : ['', `The first ${LIST_COUNT_MAX}; narrow them with --reason or --queue.`]),
  ].join('\n');
}

/** One line per cause, the most frequent first: many dead letters are mostly one mistake. */
function causesText(messages: readonly FailedMessage[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { queue, reason } of messages) {
    const cause = `${reason} in ${queue}`;
    counts.set(cause, (counts.get(cause) ?? 0) + 1);
  }
  return [...counts]
    .toSorted(([, one], [, other]) => other - one)
    .map(([cause, count]) => `${String(count).padStart(6)}  ${cause}`);
}

function messageText(message: FailedMessage): string {
  return [
    `${message.failedMessageId}  ${message.state}`,
    `  queue        ${message.queue}`,
    `  type         ${message.messageType}`,
    ...(message.measurementId === undefined ? [] : [`  measurement  ${message.measurementId}`]),
    `  event id     ${message.cloudEventId}`,
    `  failed       ${message.failedAt}`,
    `  replays      ${message.replayCount}`,
    `  because      ${message.reason}: ${message.description}`,
    '',
    JSON.stringify(message.body, null, 2),
  ].join('\n');
}

function answerText({ operationId, dryRun, found, replayed, skipped }: ReplayAnswer): string {
  if (dryRun) return `To replay: ${countText(found, 'dead letter')}. Nothing was sent.`;
  const others = skipped === 0 ? '' : ` ${skipped} were taken by another replay, or replayed before.`;
  return `${replayed} of ${found} dead letters were sent to their consumers.${others}\nAudit entry ${operationId}.`;
}
