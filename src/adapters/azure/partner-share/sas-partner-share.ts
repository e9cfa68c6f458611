import type { Container } from '@azure/cosmos';
import { TerminalFailure } from '#domain/failures.ts';
import { shardOf } from '#domain/identity.ts';
import type { PartnerShare } from '#domain/ports/partner-share.ts';
import type { BlobReference } from '#domain/vocabulary.ts';
import type { StorageAccounts } from '../blob/storage-accounts.ts';
import { type CosmosDatabase, guardedWrite, readItem, request } from '../cosmos/cosmos-database.ts';

interface OfferItem {
  readonly id: string;
  readonly shard: string;
  readonly type: 'share-offer';
  readonly offer: {
    readonly shareId: string;
    readonly partner: string;
    readonly measurementId: string;
    readonly package: BlobReference;
    readonly expiresAt: string;
  };
}

/** A link is for fetching a package, not for keeping. */
const LINK_MINUTES = 60;
const SHARDS = 16;

/** Offers packages by signed links: the offer is a document, every link that is issued leaves another. */
export class SasPartnerShare implements PartnerShare {
  readonly #operations: Container;
  readonly #accounts: StorageAccounts;
  readonly #now: () => Date;

  constructor(database: CosmosDatabase, accounts: StorageAccounts, now: () => Date) {
    this.#operations = database.container('operations');
    this.#accounts = accounts;
    this.#now = now;
  }

  async offer(offer: Parameters<PartnerShare['offer']>[0]): Promise<void> {
    const { shareId, partner, measurementId } = offer;
    const item: OfferItem = {
      id: `share:${shareId}`,
      shard: shardOfShare(shareId),
      type: 'share-offer',
      offer: {
        shareId,
        partner,
        measurementId,
        package: offer.package,
        expiresAt: offer.expiresAt.toISOString(),
      },
    };
    // The first of equal offers stays; a conflict says that it is there.
    await guardedWrite(`Offer ${shareId} could not be recorded`, () => this.#operations.items.create(item));
  }

  async link(
    measurementId: string,
    shareId: string,
    actor: string,
  ): Promise<{ readonly url: string; readonly expiresAt: string }> {
    const item = await readItem<OfferItem>(this.#operations, `share:${shareId}`, shardOfShare(shareId));
    if (item === undefined || item.offer.measurementId !== measurementId) {
      throw new TerminalFailure('not-found', `Measurement ${measurementId} has no offer ${shareId}.`);
    }
    const now = this.#now();
    if (new Date(item.offer.expiresAt) <= now) {
      throw new TerminalFailure(
        'not-allowed',
        `Offer ${shareId} expired at ${item.offer.expiresAt}; run share again with: landfall rerun ${measurementId} --from share`,
      );
    }
    const expiresAt = new Date(
      Math.min(new Date(item.offer.expiresAt).getTime(), now.getTime() + LINK_MINUTES * 60_000),
    );
    await request(`The link of offer ${shareId} could not be recorded`, () =>
      this.#operations.items.create({
        id: `share-link:${shareId}:${now.getTime()}`,
        shard: item.shard,
        type: 'share-link',
        shareId,
        actor,
        issuedAt: now.toISOString(),
        expiresAt: expiresAt.toISOString(),
      }),
    );
    return {
      url: await this.#accounts.readUrl(item.offer.package, expiresAt),
      expiresAt: expiresAt.toISOString(),
    };
  }
}

function shardOfShare(shareId: string): string {
  return String(shardOf(shareId, SHARDS));
}
