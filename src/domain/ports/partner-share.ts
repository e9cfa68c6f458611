import type { BlobReference } from '../vocabulary.ts';

/** Offers packages to labeling partners. */
export interface PartnerShare {
  /** Idempotent by `shareId`. The offer is recorded; the link itself is short-lived and never put into events. */
  offer(offer: {
    readonly shareId: string;
    readonly partner: string;
    readonly measurementId: string;
    readonly package: BlobReference;
    readonly expiresAt: Date;
  }): Promise<void>;
  /** A fresh link to an offer that has not expired; each issue is recorded with who asked. */
  link(
    measurementId: string,
    shareId: string,
    actor: string,
  ): Promise<{ readonly url: string; readonly expiresAt: string }>;
}
