import type { BlobStore } from '#domain/ports/blob-store.ts';
import type { MessageSender, OutgoingMessage } from '#domain/ports/message-sender.ts';
import type { SagaChange, SagaStore } from '#domain/ports/saga-store.ts';
import type { IngestionState } from '#saga/ingestion-state.ts';
import { MemorySagaStore } from './fakes/memory-saga-store.ts';

/**
 * Mistakes that each lose or double something, or leave it lying. A simulation that does not catch every one of them tests nothing.
 */
export const MUTANTS = {
  'no-inbox': 'The store does not remember which inputs were committed.',
  'no-etag': 'The store does not look at the etag.',
  'complete-before-dispatch': 'The message is completed before its outputs are sent, and there is no relay.',
  'mark-before-send': 'Outputs are marked as sent before they are sent.',
  'replay-keeps-message-id': 'A replay has the transport id of the original, under duplicate detection.',
  'outbox-expires': 'Outputs that were not sent have a time to live.',
  'corrections-are-not-looked-for': 'Files leave a folder in which another version of one of them lies.',
  'restore-does-not-wait': 'Files are brought back while a duplicate is still to be taken away.',
  'corrections-are-not-noticed': 'Landing does not say that a folder has some of its files again.',
} as const;
export type Mutant = keyof typeof MUTANTS;

type Loaded = { readonly state: IngestionState; readonly etag: string } | undefined;

export interface SimulatedSagaStoreOptions {
  readonly mutant: Mutant | undefined;
  readonly onCommit: (state: IngestionState) => void;
  /** Whether a read is served by a replica that has not heard of the last commit (session consistency). */
  readonly isStale: () => boolean;
}

/** The saga's store, with replicas that lag behind, and with the mistakes that belong to it. */
export class SimulatedSagaStore extends MemorySagaStore<IngestionState> {
  readonly #options: SimulatedSagaStoreOptions;
  readonly #before = new Map<string, { readonly loaded: Loaded; readonly inputId: string }>();

  constructor(options: SimulatedSagaStoreOptions) {
    super();
    this.#options = options;
  }

  override async load(measurementId: string): Promise<Loaded> {
    const before = this.#before.get(measurementId);
    return before !== undefined && this.#options.isStale() ? before.loaded : super.load(measurementId);
  }

  override async wasHandled(measurementId: string, inputId: string): Promise<boolean> {
    if (this.#options.mutant === 'no-inbox') return false;
    const isLast = this.#before.get(measurementId)?.inputId === inputId;
    return isLast && this.#options.isStale() ? false : super.wasHandled(measurementId, inputId);
  }

  override async commit(
    change: SagaChange<IngestionState>,
  ): Promise<'committed' | 'conflict' | 'already-handled'> {
    const { mutant, onCommit } = this.#options;
    const { measurementId, inputId } = change;
    const loaded = await super.load(measurementId);
    const isRefused =
      (mutant !== 'no-inbox' && (await super.wasHandled(measurementId, inputId))) ||
      (mutant !== 'no-etag' && loaded?.etag !== change.expectedEtag);
    if (isRefused) return super.commit(change);
    this.#before.set(measurementId, { loaded, inputId });
    this.apply(change);
    onCommit(change.state);
    return 'committed';
  }
}

/** Holds back what is to be sent until it is marked as sent. */
export function markFirst(
  store: SagaStore<IngestionState>,
  sender: MessageSender,
): { readonly store: SagaStore<IngestionState>; readonly sender: MessageSender } {
  let held: OutgoingMessage[] = [];
  const holding: MessageSender = { send: async (messages) => void held.push(...messages) };
  const marking = new Proxy(store, {
    get: (target, property) => {
      const member: unknown = Reflect.get(target, property, target);
      if (property !== 'markDispatched') return typeof member === 'function' ? member.bind(target) : member;
      return async (measurementId: string, outboxIds: readonly string[]) => {
        const messages = held;
        held = [];
        await target.markDispatched(measurementId, outboxIds);
        await sender.send(messages);
      };
    },
  });
  return { store: marking, sender: holding };
}

/** Storage in which whoever moves files sees no other version of them in Landing. */
export function blindToCorrections(blobs: BlobStore): BlobStore {
  const list: BlobStore['list'] = (folder) =>
    blobs.list(folder.account === 'landing1' ? { ...folder, path: 'nothing/' } : folder);
  return new Proxy(blobs, {
    get: (target, property) => (property === 'list' ? list : Reflect.get(target, property, target)),
  });
}
