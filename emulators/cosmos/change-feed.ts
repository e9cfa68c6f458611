// The change feed in "latest version" mode. Source: "Change feed in Azure Cosmos DB", and the headers that the
// public SDKs send.
import { type Answer, type CosmosRequest, headerOf, MAX_RESPONSE_BYTES, maxItemCount } from './answer.ts';
import { readCharge } from './documents.ts';
import { badRequest } from './refusal.ts';
import { isVisible, type RequestScope } from './scope.ts';
import type { Container, DocumentRow, Store } from './store.ts';

/** A page when the client names no size. */
const DEFAULT_PAGE_ITEMS = 1000;

/**
 * Documents in the order of their last write, each once, at its latest version. `if-none-match` says where to go on:
 * nothing is the beginning, `*` is now, an etag of an earlier page is behind that page; `if-modified-since` is a point
 * in time. 304 when there is nothing. A page never ends within what one batch wrote, so it may be longer than asked.
 */
export function answerChangeFeed(
  store: Store,
  container: Container,
  scope: RequestScope,
  request: CosmosRequest,
): Answer {
  const start = startOf(request);
  if (start === 'now') return nothingNew(container.lsn);
  const wanted = maxItemCount(request, DEFAULT_PAGE_ITEMS);
  const page: string[] = [];
  let sizeBytes = 0;
  let lastLsn = 0;
  for (const row of store.feed(container, scope.stored, start.afterLsn, start.sinceSeconds)) {
    const full = page.length >= wanted || sizeBytes >= MAX_RESPONSE_BYTES;
    if (full && row.lsn !== lastLsn) break;
    if (!isVisible(row, container, scope, request.nowMs)) continue;
    const text = feedText(row);
    page.push(text);
    sizeBytes += text.length;
    lastLsn = row.lsn;
  }
  if (page.length === 0) return nothingNew(container.lsn);
  return {
    status: 200,
    body: `{"_rid":"${container.resourceId}","Documents":[${page.join(',')}],"_count":${page.length}}`,
    headers: { etag: `"${lastLsn}"`, 'x-ms-item-count': String(page.length) },
    requestCharge: readCharge(sizeBytes) + 1,
  };
}

/** .NET clients fail without the item count. */
function nothingNew(lsn: number): Answer {
  return { status: 304, headers: { etag: `"${lsn}"`, 'x-ms-item-count': '0' }, requestCharge: 1 };
}

function startOf(request: CosmosRequest): 'now' | { afterLsn: number; sinceSeconds: number } {
  const after = headerOf(request, 'if-none-match');
  if (after === '*') return 'now';
  if (after !== undefined) {
    const afterLsn = Number(after.replaceAll('"', ''));
    if (!Number.isSafeInteger(afterLsn) || afterLsn < 0) {
      throw badRequest(`The change feed continuation ${after} is not one of ours.`);
    }
    return { afterLsn, sinceSeconds: 0 };
  }
  const since = headerOf(request, 'if-modified-since');
  if (since === undefined) return { afterLsn: 0, sinceSeconds: 0 };
  const sinceMs = Date.parse(since);
  if (Number.isNaN(sinceMs)) throw badRequest(`if-modified-since is not a date: ${since}`);
  return { afterLsn: 0, sinceSeconds: Math.floor(sinceMs / 1000) };
}

function feedText({ body, lsn }: DocumentRow): string {
  return `${body.slice(0, -1)},"_lsn":${lsn}}`;
}
