import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type BlobClient,
  BlobSASPermissions,
  BlobServiceClient,
  type BlockBlobClient,
  type ContainerClient,
  generateBlobSASQueryParameters,
  newPipeline,
  SASProtocol,
  StorageSharedKeyCredential,
  type UserDelegationKey,
} from '@azure/storage-blob';
import { TerminalFailure } from '#domain/failures.ts';
import type { ServiceCalls } from '#domain/ports/telemetry.ts';
import type { BlobLocation } from '#domain/vocabulary.ts';
import { type Access, assertLoopback, identityCredential } from '../credentials.ts';
import { blobCalls } from './blob-calls.ts';

export interface StorageAccountAccess {
  /** `https://<account>.blob.core.windows.net`, or `http://127.0.0.1:<port>/<account>`. */
  readonly endpoint: string;
  readonly access: Access;
}

const USER_DELEGATION_KEY_HOURS = 12;
const HOUR_MS = 3_600_000;

/**
 * The storage service has a source condition for Put Block From URL (REST reference, `x-ms-source-if-match`), the
 * client library has no option for it. The header is set on the request made inside `run`.
 */
const sourceETag = new AsyncLocalStorage<string>();

export function withSourceETag<T>(eTag: string, request: () => Promise<T>): Promise<T> {
  return sourceETag.run(eTag, request);
}

interface Account {
  readonly service: BlobServiceClient;
  readonly sharedKey?: StorageSharedKeyCredential;
  delegation?: { readonly key: Promise<UserDelegationKey>; readonly endsAt: number };
}

/** A client per storage account, and signatures that let somebody else read. */
export class StorageAccounts {
  readonly #accounts = new Map<string, Account>();

  constructor(
    accounts: Readonly<Record<string, StorageAccountAccess>>,
    options: { readonly tryTimeoutMs?: number; readonly calls?: ServiceCalls } = {},
  ) {
    for (const [name, { endpoint, access }] of Object.entries(accounts)) {
      this.#accounts.set(name, connect(name, endpoint, access, options));
    }
  }

  container(location: BlobLocation): ContainerClient {
    return this.#account(location.account).service.getContainerClient(location.container);
  }

  blob(location: BlobLocation): BlockBlobClient {
    return this.container(location).getBlockBlobClient(location.path);
  }

  /** Signed for reading this one blob, until `expiresAt`. */
  async readUrl(location: BlobLocation, expiresAt: Date): Promise<string> {
    const account = this.#account(location.account);
    const blob: BlobClient = this.blob(location);
    const values = {
      containerName: location.container,
      blobName: location.path,
      permissions: BlobSASPermissions.parse('r'),
      expiresOn: expiresAt,
      protocol: blob.url.startsWith('https:') ? SASProtocol.Https : SASProtocol.HttpsAndHttp,
    };
    const signature =
      account.sharedKey === undefined
        ? generateBlobSASQueryParameters(values, await delegationKey(account, expiresAt), location.account)
        : generateBlobSASQueryParameters(values, account.sharedKey);
    return `${blob.url}?${signature.toString()}`;
  }

  #account(name: string): Account {
    const account = this.#accounts.get(name);
    if (account !== undefined) return account;
    const known = [...this.#accounts.keys()].join(', ') || 'none';
    throw new TerminalFailure(
      'account-unavailable',
      `This process has no settings for the storage account ${name}; it knows: ${known}. Add it to the settings.`,
    );
  }
}

function connect(
  name: string,
  endpoint: string,
  access: Access,
  { tryTimeoutMs = 60_000, calls }: { readonly tryTimeoutMs?: number; readonly calls?: ServiceCalls },
): Account {
  const options = {
    retryOptions: { maxTries: 4, tryTimeoutInMs: tryTimeoutMs, retryDelayInMs: 500, maxRetryDelayInMs: 8000 },
  };
  if (access.auth === 'emulator-key') assertLoopback(endpoint);
  const sharedKey =
    access.auth === 'emulator-key' ? new StorageSharedKeyCredential(name, access.key) : undefined;
  const pipeline = newPipeline(
    sharedKey ?? identityCredential(access as Exclude<Access, { key: string }>),
    options,
  );
  pipeline.factories.unshift({
    create: (next) => ({
      sendRequest: (request) => {
        const eTag = sourceETag.getStore();
        if (eTag !== undefined) request.headers.set('x-ms-source-if-match', `"${eTag}"`);
        return next.sendRequest(request);
      },
    }),
  });
  if (calls !== undefined) pipeline.factories.unshift(blobCalls(calls, name, endpoint));
  const service = new BlobServiceClient(endpoint, pipeline);
  return sharedKey === undefined ? { service } : { service, sharedKey };
}

/** The key is asked for rarely: it signs any number of URLs that expire before it does. */
async function delegationKey(account: Account, expiresAt: Date): Promise<UserDelegationKey> {
  const now = Date.now();
  if (account.delegation === undefined || account.delegation.endsAt < expiresAt.getTime()) {
    // Azure grants at most seven days; URLs of ours live for hours.
    const endsAt = Math.max(expiresAt.getTime(), now + USER_DELEGATION_KEY_HOURS * HOUR_MS);
    account.delegation = {
      key: account.service.getUserDelegationKey(new Date(now - 5 * 60_000), new Date(endsAt)),
      endsAt,
    };
  }
  const { delegation } = account;
  try {
    return await delegation.key;
  } catch (error) {
    if (account.delegation === delegation) delete account.delegation;
    throw error;
  }
}
