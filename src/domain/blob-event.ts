import { z } from 'zod';
import { sentenceOf } from './messages.ts';
import type { BlobLocation } from './vocabulary.ts';

/** Something happened to a blob or a folder in Landing: a hint to look, never the truth about it. */
export interface BlobEvent {
  readonly type: 'created' | 'deleted' | 'renamed';
  /** `data.api` as the service sent it: `PutBlob`, `FlushWithClose`, `RenameFile`, … */
  readonly api: string;
  /** The blob; of a rename, where it is now. */
  readonly location: BlobLocation;
  /** Of a rename: where it was. */
  readonly source?: BlobLocation;
  readonly isDirectory: boolean;
}

/**
 * Values of `data.api` that are known to mean an arrival, a removal or a rename (Azure Blob Storage as an Event Grid
 * source, "Available event types"). Others are looked at all the same, and counted.
 */
export const KNOWN_BLOB_APIS: readonly string[] = [
  'PutBlob',
  'PutBlockList',
  'CopyBlob',
  'FlushWithClose',
  'CreateFile',
  'SftpCreate',
  'SftpCommit',
  'SftpRename',
  'SftpRemove',
  'SftpRemoveDir',
  'SftpMakeDir',
  'DeleteBlob',
  'DeleteFile',
  'RenameFile',
  'RenameDirectory',
  'CreateDirectory',
  'DeleteDirectory',
];

const StorageData = z.object({
  api: z.string().default(''),
  url: z.string().optional(),
  sourceUrl: z.string().optional(),
  destinationUrl: z.string().optional(),
});

/** The Event Grid event schema: `eventType` and `topic`. */
const EventGridEvent = z.object({
  eventType: z.string(),
  topic: z.string().default(''),
  subject: z.string(),
  data: StorageData,
});

/** CloudEvents 1.0, as Event Grid writes it: `type` and `source`. */
const CloudEvent = z.object({
  specversion: z.literal('1.0'),
  type: z.string(),
  source: z.string(),
  subject: z.string(),
  data: StorageData,
});

const TYPES: Readonly<Record<string, Pick<BlobEvent, 'type' | 'isDirectory'>>> = {
  'Microsoft.Storage.BlobCreated': { type: 'created', isDirectory: false },
  'Microsoft.Storage.BlobDeleted': { type: 'deleted', isDirectory: false },
  'Microsoft.Storage.BlobRenamed': { type: 'renamed', isDirectory: false },
  'Microsoft.Storage.DirectoryCreated': { type: 'created', isDirectory: true },
  'Microsoft.Storage.DirectoryDeleted': { type: 'deleted', isDirectory: true },
  'Microsoft.Storage.DirectoryRenamed': { type: 'renamed', isDirectory: true },
};

export type ParsedBlobEvents =
  | {
      readonly ok: true;
      readonly events: readonly BlobEvent[];
      /** Types of events that are not about the arrival of anything (tier changes, inventories, …). */
      readonly ignoredTypes: readonly string[];
    }
  | { readonly ok: false; readonly problem: string };

/** Reads one delivery of Event Grid, in either schema, alone or as an array; never throws on what it is given. */
export function parseBlobEvents(body: unknown): ParsedBlobEvents {
  const events: BlobEvent[] = [];
  const ignoredTypes: string[] = [];
  for (const item of Array.isArray(body) ? body : [body]) {
    const isCloudEvent = typeof item === 'object' && item !== null && 'specversion' in item;
    const parsed = (isCloudEvent ? CloudEvent : EventGridEvent).safeParse(item);
    if (!parsed.success)
      return { ok: false, problem: `not an Event Grid event: ${sentenceOf(parsed.error)}` };
    const { subject, data } = parsed.data;
    const type = 'eventType' in parsed.data ? parsed.data.eventType : parsed.data.type;
    const origin = 'eventType' in parsed.data ? parsed.data.topic : parsed.data.source;
    const kind = TYPES[type];
    if (kind === undefined) {
      ignoredTypes.push(type);
      continue;
    }
    const location = locationOf(subject, origin, data.destinationUrl ?? data.url);
    if (location === undefined) {
      return { ok: false, problem: `${type}: neither subject '${subject}' nor its URL names a blob` };
    }
    const source = data.sourceUrl === undefined ? undefined : locationOfUrl(data.sourceUrl);
    events.push({
      ...kind,
      api: data.api,
      location,
      // Both ends of a rename are in one account; only one of them may tell its name.
      ...(source === undefined ? {} : { source: { ...source, account: location.account } }),
    });
  }
  return { ok: true, events, ignoredTypes };
}

/** `/blobServices/default/containers/<container>/blobs/<path>`; the account is the last part of the topic. */
function locationOf(subject: string, origin: string, url: string | undefined): BlobLocation | undefined {
  const fromUrl = url === undefined ? undefined : locationOfUrl(url);
  const account = /\/storageAccounts\/([^/]+)/i.exec(origin)?.[1] ?? fromUrl?.account;
  const [, container, path] = /\/containers\/([^/]+)\/blobs\/(.+)$/.exec(subject) ?? [];
  if (account !== undefined && container !== undefined && path !== undefined) {
    return { account, container, path };
  }
  return fromUrl;
}

/** `https://<account>.<service>.core.windows.net/<container>/<path>`, or `http://<host>/<account>/<container>/<path>`. */
function locationOfUrl(text: string): BlobLocation | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const parts = url.pathname.split('/').slice(1).map(decodeURIComponent);
  const isPathStyle =
    /^(localhost|\d+\.\d+\.\d+\.\d+|\[.*\])$/.test(url.hostname) || !url.hostname.includes('.');
  const account = isPathStyle ? parts.shift() : url.hostname.split('.')[0];
  const container = parts.shift();
  const path = parts.join('/');
  if (account === undefined || container === undefined || path === '') return undefined;
  return { account, container, path };
}
