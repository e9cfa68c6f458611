/** A dead letter, drained from a queue so that it can be found, grouped and replayed. */
export interface FailedMessage {
  /** Hash of source queue and transport identity: draining twice stores once. */
  readonly failedMessageId: string;
  /** The consumer's queue it failed in, and to which a replay goes. */
  readonly queue: string;
  readonly messageType: string;
  readonly measurementId?: string;
  readonly cloudEventId: string;
  readonly reason: string;
  readonly description: string;
  /** The message's body as it was: a CloudEvent, or whatever was sent. */
  readonly body: unknown;
  readonly failedAt: string;
  readonly state: 'failed' | 'replaying' | 'replayed' | 'archived';
  readonly replayCount: number;
}

export interface ReplayAudit {
  readonly operationId: string;
  readonly actor: string;
  readonly why: string;
  readonly at: string;
  readonly failedMessageIds: readonly string[];
  readonly dryRun: boolean;
}

export interface FailedMessageStore {
  /** Keeps the first of equal ids. */
  save(message: FailedMessage): Promise<void>;
  get(failedMessageId: string): Promise<FailedMessage | undefined>;
  list(
    filter: { readonly queue?: string; readonly reason?: string; readonly state?: FailedMessage['state'] },
    limit: number,
  ): Promise<readonly FailedMessage[]>;
  /**
   * Takes the message for replay number `replayCount + 1`. @returns undefined when somebody else took it, or it is
   * not in `failed` (or, for a crashed replay, `replaying`) any more.
   */
  claim(failedMessageId: string, operationId: string): Promise<FailedMessage | undefined>;
  markReplayed(failedMessageId: string, operationId: string): Promise<void>;
  audit(entry: ReplayAudit): Promise<void>;
  audits(limit: number): Promise<readonly ReplayAudit[]>;
}
