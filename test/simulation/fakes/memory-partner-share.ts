import { TerminalFailure } from '#domain/failures.ts';
import type { PartnerShare } from '#domain/ports/partner-share.ts';

type Offer = Parameters<PartnerShare['offer']>[0];

const LINK_MS = 3_600_000;

/** Offers in memory; its links lead nowhere. */
export class MemoryPartnerShare implements PartnerShare {
  readonly #now: () => Date;
  readonly offers = new Map<string, Offer>();
  /** Every link that was issued, and to whom. */
  readonly links: { readonly shareId: string; readonly actor: string }[] = [];

  constructor(now: () => Date) {
    this.#now = now;
  }

  async offer(offer: Offer): Promise<void> {
    if (!this.offers.has(offer.shareId)) this.offers.set(offer.shareId, offer);
  }

  async link(measurementId: string, shareId: string, actor: string) {
    const offer = this.offers.get(shareId);
    if (offer === undefined || offer.measurementId !== measurementId) {
      throw new TerminalFailure('not-found', `Measurement ${measurementId} has no offer ${shareId}.`);
    }
    const now = this.#now().getTime();
    if (offer.expiresAt.getTime() <= now)
      throw new TerminalFailure('not-allowed', `Offer ${shareId} has expired.`);
    this.links.push({ shareId, actor });
    const expiresAt = new Date(Math.min(offer.expiresAt.getTime(), now + LINK_MS)).toISOString();
    return { url: `https://partners.invalid/${shareId}`, expiresAt };
  }
}
