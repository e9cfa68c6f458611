/** The Cosmos containers, as data: Bicep creates these in Azure, the local stack creates them from here. */
export interface ContainerDefinition {
  readonly name: string;
  readonly partitionKeyPath: string;
  /** -1: documents live for ever unless they carry a `ttl` of their own. */
  readonly defaultTtlSeconds: number;
  /** Only these are indexed: writes are many, questions are few. `id` and the partition key always are. */
  readonly indexedPaths: readonly string[];
}

const KEEP = -1;

export const CONTAINERS = {
  /** Saga, inbox, outbox, events, documents for readers, and scenes of one measurement. */
  measurements: {
    name: 'measurements',
    partitionKeyPath: '/measurementId',
    defaultTtlSeconds: KEEP,
    indexedPaths: [
      '/type/?',
      '/kind/?',
      '/dispatched/?',
      '/document/dueAt/?',
      '/document/fleet/?',
      '/document/vin/?',
      '/document/state/?',
      '/document/updatedAt/?',
    ],
  },
  /** One folder in Landing: what was decided about it, and one document per file. */
  landing: {
    name: 'landing',
    partitionKeyPath: '/folder',
    defaultTtlSeconds: KEEP,
    indexedPaths: [
      '/type/?',
      '/isGone/?',
      '/file/sizeBytes/?',
      '/file/lastModified/?',
      '/state/lookAt/?',
      '/state/announced/as/?',
      '/state/firstArrivalAt/?',
    ],
  },
  vehicles: {
    name: 'vehicles',
    partitionKeyPath: '/vin',
    defaultTtlSeconds: KEEP,
    indexedPaths: [],
  },
  /** The registry of storage accounts. */
  accounts: { name: 'accounts', partitionKeyPath: '/zone', defaultTtlSeconds: KEEP, indexedPaths: [] },
  /** Drained dead letters, until they are archived. */
  failedMessages: {
    name: 'failedMessages',
    partitionKeyPath: '/queue',
    defaultTtlSeconds: KEEP,
    indexedPaths: ['/message/reason/?', '/message/state/?', '/message/failedAt/?'],
  },
  /** Stage runs and the reports of their tasks; audits of what people did. */
  operations: {
    name: 'operations',
    partitionKeyPath: '/shard',
    defaultTtlSeconds: KEEP,
    indexedPaths: ['/type/?', '/stageRunId/?', '/run/state/?', '/run/createdAt/?', '/entry/at/?'],
  },
  /** How far readers of the change feed have come. */
  leases: { name: 'leases', partitionKeyPath: '/id', defaultTtlSeconds: KEEP, indexedPaths: [] },
} as const satisfies Record<string, ContainerDefinition>;

export type ContainerName = keyof typeof CONTAINERS;

const DAY_SECONDS = 86_400;

/** Inbox entries outlive every message that may come again: the longest dead letter and its replay. */
export const INBOX_TTL_SECONDS = 90 * DAY_SECONDS;
/** Outbox entries live for ever until they are sent, then a week, for whoever looks into an incident. */
export const DISPATCHED_TTL_SECONDS = 7 * DAY_SECONDS;
/** Reports of tasks, and stage runs once they are concluded. */
export const STAGE_RUN_TTL_SECONDS = 90 * DAY_SECONDS;

/** The indexing policy of a container, as the Cosmos REST reference writes it. */
export function indexingPolicyOf(definition: ContainerDefinition): {
  readonly indexingMode: 'consistent';
  readonly includedPaths: { path: string }[];
  readonly excludedPaths: { path: string }[];
} {
  return {
    indexingMode: 'consistent',
    includedPaths: [definition.partitionKeyPath, ...definition.indexedPaths]
      .map((path) => (path.endsWith('/?') ? path : `${path}/?`))
      .map((path) => ({ path })),
    excludedPaths: [{ path: '/*' }],
  };
}
