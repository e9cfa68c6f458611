import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { TerminalFailure } from '#domain/failures.ts';
import type { PartnerShare } from '#domain/ports/partner-share.ts';
import type { BlobReference } from '#domain/vocabulary.ts';

export interface PartnerShareUnderTest {
  readonly partners: PartnerShare;
  /** A package that is there. */
  readonly package: BlobReference;
}

export function partnerShareContract(name: string, start: () => Promise<PartnerShareUnderTest>): void {
  describe(`partner share: ${name}`, () => {
    let test: PartnerShareUnderTest;
    before(async () => {
      test = await start();
    });
    function offerUntil(expiresAt: Date, more: { partner?: string } = {}) {
      return {
        shareId: randomUUID(),
        partner: 'labels-r-us',
        measurementId: randomUUID(),
        package: test.package,
        expiresAt,
        ...more,
      };
    }
    const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000);

    it('gives fresh links that end before the offer does', async () => {
      const offer = offerUntil(inMinutes(5));
      await test.partners.offer(offer);
      await test.partners.offer(offer);
      const link = await test.partners.link(offer.measurementId, offer.shareId, 'ada');
      assert.match(link.url, /^https?:\/\//);
      assert.ok(new Date(link.expiresAt) <= offer.expiresAt);
      assert.ok(new Date(link.expiresAt) > new Date());
    });

    it('keeps the first of equal offers', async () => {
      const offer = offerUntil(inMinutes(5));
      await test.partners.offer(offer);
      await test.partners.offer({ ...offer, expiresAt: inMinutes(500) });
      const link = await test.partners.link(offer.measurementId, offer.shareId, 'ada');
      assert.ok(new Date(link.expiresAt) <= offer.expiresAt);
    });

    it('gives no link to an offer that has expired, that never was, or of another measurement', async () => {
      const expired = offerUntil(inMinutes(-1));
      const open = offerUntil(inMinutes(5));
      await test.partners.offer(expired);
      await test.partners.offer(open);
      const refused = (code: string) => (error: unknown) =>
        error instanceof TerminalFailure && error.code === code;
      const link = (measurementId: string, shareId: string) =>
        test.partners.link(measurementId, shareId, 'eve');
      await assert.rejects(link(expired.measurementId, expired.shareId), refused('not-allowed'));
      await assert.rejects(link(open.measurementId, randomUUID()), refused('not-found'));
      await assert.rejects(link(expired.measurementId, open.shareId), refused('not-found'));
    });
  });
}
