import type { Zone } from '../vocabulary.ts';

/** A storage account of a zone. A zone is a set of accounts. */
export interface RegisteredAccount {
  readonly account: string;
  readonly zone: Zone;
  readonly region: string;
  /** Share of new data streams, relative to the other open accounts of the zone and region. */
  readonly weight: number;
  readonly state: 'open' | 'draining' | 'full';
}

export interface AccountRegistry {
  accounts(): Promise<readonly RegisteredAccount[]>;
  save(account: RegisteredAccount): Promise<void>;
}
