import type { AddFile, DeltaAction, RemoveFile, TableMetadata, TableProtocol } from './delta-actions.ts';

/** How long a removed file stays named, for readers of an older version (Delta's default, one week). */
const TOMBSTONE_RETENTION_MS = 7 * 24 * 3_600_000;

/** What a Delta table is at one version: all actions up to it, reconciled ("Action Reconciliation" of the protocol). */
export class DeltaState {
  /** -1 before the first commit. */
  version = -1;
  protocol: TableProtocol | undefined;
  metadata: TableMetadata | undefined;
  readonly files = new Map<string, AddFile>();
  readonly #transactions = new Map<string, { readonly version: number; readonly lastUpdated?: number }>();
  readonly #tombstones = new Map<string, RemoveFile>();

  apply(version: number, actions: readonly DeltaAction[]): void {
    for (const { protocol, metaData, txn, add, remove } of actions) {
      if (protocol !== undefined) this.protocol = protocol;
      if (metaData !== undefined) this.metadata = metaData;
      if (txn !== undefined) this.#transactions.set(txn.appId, transactionOf(txn));
      if (remove !== undefined) {
        this.files.delete(remove.path);
        this.#tombstones.set(remove.path, remove);
      }
      if (add !== undefined) {
        this.#tombstones.delete(add.path);
        this.files.set(add.path, add);
      }
    }
    this.version = version;
  }

  /** 0 when the application has not committed anything. */
  transactionVersion(appId: string): number {
    return this.#transactions.get(appId)?.version ?? 0;
  }

  /** The same state in as few actions as possible, for a checkpoint. */
  checkpoint(now: Date): readonly DeltaAction[] {
    const oldestMs = now.getTime() - TOMBSTONE_RETENTION_MS;
    return [
      ...(this.protocol === undefined ? [] : [{ protocol: this.protocol }]),
      ...(this.metadata === undefined ? [] : [{ metaData: this.metadata }]),
      ...Array.from(this.#transactions, ([appId, rest]) => ({ txn: { appId, ...rest } })),
      ...Array.from(this.files.values(), (add) => ({ add: { ...add, dataChange: false } })),
      ...[...this.#tombstones.values()]
        .filter(({ deletionTimestamp = 0 }) => deletionTimestamp > oldestMs)
        .map((remove) => ({ remove: { ...remove, dataChange: false } })),
    ];
  }
}

function transactionOf({ version, lastUpdated }: NonNullable<DeltaAction['txn']>) {
  return { version, ...(lastUpdated === undefined ? {} : { lastUpdated }) };
}
