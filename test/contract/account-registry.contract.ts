import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { AccountRegistry, RegisteredAccount } from '#domain/ports/account-registry.ts';

export function accountRegistryContract(name: string, start: () => Promise<AccountRegistry>): void {
  describe(`account registry: ${name}`, () => {
    it('holds each account of each zone once, with its last state', async () => {
      const registry = await start();
      const account = `raw${randomUUID()}`;
      const entry = (zone: 'raw' | 'archive', state: RegisteredAccount['state']): RegisteredAccount => ({
        account,
        zone,
        region: 'local',
        weight: 2,
        state,
      });
      for (const one of [entry('raw', 'open'), entry('archive', 'open'), entry('raw', 'draining')])
        await registry.save(one);
      const ours = (await registry.accounts()).filter((one) => one.account === account);
      assert.deepEqual(
        ours.toSorted((a, b) => a.zone.localeCompare(b.zone)),
        [entry('archive', 'open'), entry('raw', 'draining')],
      );
    });
  });
}
